"""The device side: run an exported file on images, folders, cameras and videos.

It needs NumPy (1 or 2), OpenCV and a TFLite runtime (`ai-edge-litert` or `tflite-runtime`, whichever is there), and
nothing else: no TensorFlow, Keras, Hydra or mediapipe.
"""
