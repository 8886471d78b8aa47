"""Run a .tflite file on 48x48 grey faces, as its contract says, or (--plain) at a size of its own in [-1, 1]."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fer.device.measure import peak, since_process_started
from fer.device.model import Model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("faces", type=Path)
    parser.add_argument("answers", type=Path)
    parser.add_argument("--plain", type=int, help="side in pixels of a network without a contract")
    args = parser.parse_args()
    answer = plain(args.model, args.plain) if args.plain else ours(args.model)
    faces = np.fromfile(args.faces, np.uint8).reshape(-1, 48, 48)
    answers, milliseconds = [answer(faces[0])], []
    cold = since_process_started()
    for face in faces:
        started = time.perf_counter()
        answers.append(answer(face))
        milliseconds.append(1000 * (time.perf_counter() - started))
    found = {"answers": answers[1:], "milliseconds": milliseconds, "cold_start_ms": cold, "peak_mb": peak()}
    args.answers.write_text(json.dumps(found))


def ours(file: Path) -> Callable[[np.ndarray], int]:
    """Return the function from a face to its class, for a file with a contract."""
    model = Model(file, kernels="xnnpack")  # as `fer.Predictor` runs it
    return lambda face: int(model(np.repeat(face[..., None], 3, axis=2)).outputs.argmax())


def plain(file: Path, side: int) -> Callable[[np.ndarray], int]:
    """The same for a file of grey float pixels in [-1, 1]."""
    import cv2
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(file), num_threads=1)
    interpreter.allocate_tensors()
    [given], [wanted] = interpreter.get_input_details(), interpreter.get_output_details()

    def answer(face: np.ndarray) -> int:
        pixels = cv2.resize(face, (side, side)).astype(np.float32) / 127.5 - 1
        interpreter.set_tensor(given["index"], pixels[None, ..., None])
        interpreter.invoke()
        return int(interpreter.get_tensor(wanted["index"]).argmax())

    return answer


if __name__ == "__main__":
    main()
