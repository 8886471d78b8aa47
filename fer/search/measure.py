"""Size and latency of a finished run on a device: `python -m fer.search.measure <run folder>` writes measures.json.

It is a command of its own because it loads TensorFlow, which the search itself never does.
"""

import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from fer.artifact import RunFolder, write_text
from fer.search.trial import MEASURES

WARM_UP, REPEATS = 20, 100


def measure(run: RunFolder) -> dict[str, float]:
    """Export a run as .tflite (fp32) and time it on one CPU thread.

    Returns:
        "bytes": the file's size; "milliseconds": the median time of one input.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"  # the converter is its
    from fer.export.fp32 import Fp32
    from fer.nn.weights import load_network

    try:
        from ai_edge_litert.interpreter import Interpreter
    except ModuleNotFoundError:  # TensorFlow has the same one, until it drops it
        from tensorflow.lite import Interpreter

    target = run.path / "export"
    target.mkdir(exist_ok=True)
    file = Fp32().write(load_network(run.model), target / "fp32")
    interpreter = Interpreter(str(file), num_threads=1)
    interpreter.allocate_tensors()
    [entry] = interpreter.get_input_details()
    interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
    times = []
    for _ in range(WARM_UP + REPEATS):
        start = time.perf_counter()
        interpreter.invoke()
        times.append(1000 * (time.perf_counter() - start))
    return {"bytes": file.stat().st_size, "milliseconds": round(statistics.median(times[WARM_UP:]), 4)}


if __name__ == "__main__":
    folder = RunFolder(Path(sys.argv[1]))
    write_text(folder.path / MEASURES, json.dumps(measure(folder)) + "\n")
