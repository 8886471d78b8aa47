"""FaceMesh: an image or a frame in, faces of 478 points out (MediaPipe Tasks' FaceLandmarker).

    with mesh.open("image") as finder:      # or "video", or "live"
        faces = finder.find(rgb)            # largest first

Grishchenko et al., "Attention Mesh: High-fidelity Face Mesh Prediction in Real-time" (2020), arXiv:2006.10962.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fer import check
from fer.errors import RunError
from fer.mesh_library import mediapipe_module, without_chatter
from fer.mesh_model import find_model

POINTS = 478
"""468 of the mesh and 5 of each iris."""

# fmt: off
BLENDSHAPES: tuple[str, ...] = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)
# fmt: on
"""The 52 coefficients in the model's order; left and right are the person's own."""

LONGEST = 30_000
"""Pixels of a side that MediaPipe is given at most, without the border: from 32,767 on its OpenCV ends the process."""

Mode = Literal["image", "video", "live"]


@dataclass(frozen=True, kw_only=True)
class Face:
    """One face.

    Attributes:
        points: float32 (478, 3), x, y and z in pixels of the image that was given. x runs right, y down; z has the
            scale of x and is smaller the nearer a point is. Points may lie outside the image.
        blendshapes: float32 (52,) in [0, 1], in the order of BLENDSHAPES.
        pose: pitch, yaw and roll in degrees (see `rotation`). All 0: the face looks straight into the camera.
    """

    points: np.ndarray
    blendshapes: np.ndarray
    pose: tuple[float, float, float]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The smallest upright box around the points, in pixels: left, top, right, bottom."""
        (left, top), (right, bottom) = self.points[:, :2].min(axis=0), self.points[:, :2].max(axis=0)
        return float(left), float(top), float(right), float(bottom)


@dataclass(kw_only=True)
class FaceMesh:
    """The settings of the face mesh, and how it is opened.

    Attributes:
        model: path of MediaPipe's face_landmarker.task; "auto" takes it from the cache, from an installed package that
            carries it, or downloads it.
        faces: at most this many faces of an image, 1 or more. With 1, a video's face is followed without jitter; with
            more, MediaPipe does not smooth.
        detection: least score of the face detector, 0 to 1.
        presence: least score that a face is where the mesh was fitted, 0 to 1.
        tracking: least score for following a face from frame to frame without a new detection, 0 to 1.
        enlarge: images whose shorter side is smaller are enlarged to this many pixels first; 0 leaves them as they are.
        border: pixels of black that are put around the image after that, 0 or more. The detector was trained on faces
            with something around them and misses those that fill the image.
        cache: folder of a downloaded model.
    """

    model: str
    faces: int
    enlarge: int
    border: int
    detection: float
    presence: float
    tracking: float
    cache: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "faces", 1)
        for score in ("detection", "presence", "tracking"):
            check.between(self, score, 0, 1)
        check.between(self, "enlarge", 0, 4096)
        check.between(self, "border", 0, 1024)

    def open(self, mode: Mode) -> "FaceFinder":
        """Load the model; use the finder as a context, or close it.

        Args:
            mode: "image" for pictures that have nothing to do with each other, "video" for the frames of a video one
                after the other, "live" for a camera whose frames may be dropped.

        Raises:
            DataError: the model file cannot be found or downloaded.
            RunError: a system library is missing, or MediaPipe does not take the file.
        """
        return FaceFinder(self, mode)


class FaceFinder:
    """An open face mesh. It holds threads and memory outside Python until it is closed.

    Attributes:
        newest: in mode "live", the faces of the newest frame that is done: a new list for each.
    """

    def __init__(self, settings: FaceMesh, mode: Mode) -> None:
        """Load the model (see FaceMesh.open)."""
        file = find_model(settings.model, settings.cache)
        self._mediapipe = mediapipe_module()
        self._mode, self._settings = mode, settings
        self._time = -1
        self._scale = 1.0
        self.newest: list[Face] = []
        self._landmarker: Any = None
        vision, base = self._mediapipe.tasks.vision, self._mediapipe.tasks.BaseOptions
        options = vision.FaceLandmarkerOptions(
            base_options=base(model_asset_buffer=file.read_bytes()),
            running_mode=vision.RunningMode[{"live": "LIVE_STREAM"}.get(mode, mode.upper())],
            num_faces=settings.faces,
            min_face_detection_confidence=settings.detection,
            min_face_presence_confidence=settings.presence,
            min_tracking_confidence=settings.tracking,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
            result_callback=self._receive if mode == "live" else None,
        )
        try:
            with without_chatter():
                self._landmarker = vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, ValueError, OSError) as error:
            raise RunError(f"MediaPipe cannot load {file}: {' '.join(str(error).split())[:200]}") from error

    def find(self, image: np.ndarray, milliseconds: int = 0) -> list[Face]:
        """Find the faces of an image or of the next frame.

        Args:
            image: uint8 (height, width, 3) RGB, or (height, width) or (height, width, 1) grey.
            milliseconds: when the frame was taken, for "video" and "live", whose frames have one size. A time that does
                not rise, as broken files have them, is taken as one millisecond after the last.

        Returns:
            The faces, largest first. In mode "live" the call does not wait: these are the faces of the newest frame
            that is done, empty before the first.
        """
        if self._landmarker is None:
            raise ValueError("this FaceFinder is closed")
        frame = self._frame(image)
        if self._mode == "image":
            return self._faces(self._landmarker.detect(frame), frame)
        self._time = max(self._time + 1, milliseconds)
        if self._mode == "video":
            return self._faces(self._landmarker.detect_for_video(frame, self._time), frame)
        self._landmarker.detect_async(frame, self._time)
        return self.newest

    def _receive(self, result: Any, frame: Any, _: int) -> None:
        self.newest = self._faces(result, frame)

    def _frame(self, image: np.ndarray) -> Any:
        """Return MediaPipe's copy of the image, enlarged and with its border."""
        import cv2

        pixels, border = _rgb(image), self._settings.border
        height, width = image.shape[:2]
        self._scale = min(max(1.0, self._settings.enlarge / min(height, width)), LONGEST / max(height, width))
        if self._scale != 1:
            size = (max(1, round(width * self._scale)), max(1, round(height * self._scale)))
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)
        if border:
            pixels = cv2.copyMakeBorder(pixels, border, border, border, border, cv2.BORDER_CONSTANT)
        return self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=pixels)

    def _faces(self, result: Any, frame: Any) -> list[Face]:
        """Return MediaPipe's faces in pixels of the image that was given, largest first."""
        size = np.array([frame.width, frame.height, frame.width], np.float32)
        border = np.array([self._settings.border, self._settings.border, 0], np.float32)
        found = [
            Face(
                points=(np.array([(each.x, each.y, each.z) for each in points], np.float32) * size - border)
                / np.float32(self._scale),
                blendshapes=np.array([each.score for each in blendshapes], np.float32),
                pose=_pose(np.asarray(matrix)),
            )
            for points, blendshapes, matrix in zip(
                result.face_landmarks, result.face_blendshapes, result.facial_transformation_matrixes, strict=True
            )
        ]
        return sorted(found, key=lambda face: -np.prod(np.ptp(face.points[:, :2], axis=0)))

    def close(self) -> None:
        """Free the model and its threads; frames under way are finished first. A second call does nothing."""
        landmarker, self._landmarker = self._landmarker, None
        if landmarker is not None:
            landmarker.close()

    def __enter__(self) -> "FaceFinder":
        """Return the finder."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def rotation(pose: tuple[float, float, float]) -> np.ndarray:
    """Return the rotation, float64 (3, 3), that turns a face that looks into the camera to this pose.

    Right-handed turns about x (to the right), y (up) and z (to the camera), pitch first: Rz(roll) Ry(yaw) Rx(pitch).
    Pitch is positive where the face looks down, yaw where it looks to the right of the image, roll where the head is
    turned counter-clockwise in the image. It applies to columns (x, -y, -z) of Face.points.
    """
    pitch, yaw, roll = np.radians(pose)
    (a, b, c), (d, e, f) = np.sin([pitch, yaw, roll]), np.cos([pitch, yaw, roll])
    about_x = np.array([[1, 0, 0], [0, d, -a], [0, a, d]])
    about_y = np.array([[e, 0, b], [0, 1, 0], [-b, 0, e]])
    about_z = np.array([[f, -c, 0], [c, f, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def _pose(matrix: np.ndarray) -> tuple[float, float, float]:
    """Return pitch, yaw and roll in degrees of a facial transformation matrix (4, 4); see `rotation`."""
    turn = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)  # it may hold a scale
    yaw = np.arcsin(np.clip(-turn[2, 0], -1, 1))
    angles = np.degrees([np.arctan2(turn[2, 1], turn[2, 2]), yaw, np.arctan2(turn[1, 0], turn[0, 0])])
    return float(angles[0]), float(angles[1]), float(angles[2])


def _rgb(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or not image.size:
        raise ValueError(f"expected a uint8 image (height, width, 3), got {image.dtype} {image.shape}")
    pixels = image[..., np.newaxis] if image.ndim == 2 else image
    if pixels.shape[2] not in (1, 3):
        raise ValueError(f"expected 1 or 3 channels, got {pixels.shape[2]}")
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))
