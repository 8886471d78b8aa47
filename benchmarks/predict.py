"""From a video of 640x480 to a table and an annotated video: frames a second, memory, and what a batch saves.

`python benchmarks/predict.py` lets `predict` run over a film of one drawn face that moves, with the int8 network of the
repository. Memory is read while it runs: after a fifth of the frames, and the most after that. The batch is of faces
that a Keras network (`model=mien`, hardly trained) answers 64 together or one by one. Each part runs in a new process.
"""

import argparse
import tempfile
import time
from pathlib import Path
from threading import Event, Thread

import numpy as np
from common import fresh, show
from facemesh import frames, resident


def film(folder: str, count: int) -> str:
    """Write the video."""
    import cv2

    path = f"{folder}/face.avi"
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 30, (640, 480))
    images = frames(60)
    for number in range(count):
        writer.write(images[number % len(images)][..., ::-1])
    writer.release()
    return path


def predict(video: str, folder: str) -> tuple[dict[str, float], float, float]:
    """Return the seconds of each stage and of the whole, and by how many MB the process grew after a fifth of it."""
    from fer.config import compose
    from fer.predict import predict as work
    from fer.predictor import Predictor
    from fer.shots import open_source

    run = compose("predict", f"source={video}", f"output={folder}/predicted", "mesh.faces=1")
    done, samples = Event(), []

    def watch() -> None:
        while not done.wait(0.05):
            samples.append(resident())

    with Predictor.load(None, mesh=run.mesh) as predictor:
        watcher = Thread(target=watch)
        watcher.start()
        start = time.perf_counter()
        summary = work(run, open_source(run.source), predictor, Path(run.output))
        whole = time.perf_counter() - start
        done.set()
        watcher.join()
    assert summary.faces == summary.pictures
    early = len(samples) // 5
    return dict(summary.seconds), whole, max(samples[early:]) - samples[early]


def batches(folder: str, faces: int, repeats: int) -> tuple[float, float]:
    """Return the median seconds for some faces one by one, and together."""
    from fer.config import compose

    run = compose("train", "experiment=smoke", "model=mien", "training.epochs=1", "training.progress=none")
    run.folder = f"{folder}/run"
    run.runtime.apply(run.seed)
    from fer import training
    from fer.network import open_network

    training.train(run)
    network = open_network(run.folder)
    crops = list(np.random.default_rng(0).integers(0, 256, (faces, *network.contract["input"]["shape"]), np.uint8))

    def alone() -> None:
        for crop in crops:
            network([crop])

    def together() -> None:
        network(crops)

    seconds: dict[str, list[float]] = {"alone": [], "together": []}
    for _ in range(repeats + 1):  # the first compiles
        for name, way in (("alone", alone), ("together", together)):
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return float(np.median(seconds["alone"][1:])), float(np.median(seconds["together"][1:]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--smoke", action="store_true", help="60 frames, 64 faces: only to see that it runs")
    args = parser.parse_args()
    count, repeats = (60, 1) if args.smoke else (args.frames, 5)
    with tempfile.TemporaryDirectory() as folder:
        stages, whole, grown = fresh(predict, film(folder, count), folder)
        alone, together = fresh(batches, folder, 64, repeats)
    rows = [
        [count / whole / 30, "video to video, frames/s", count / whole, 30.0],
        [grown / 10, f"MB more after {count:,} frames", grown, 10.0],
        [alone / together / 1.5, "64 faces together against one by one", alone / together, 1.5],
    ]
    show(["of goal", "what", "measured", "goal"], rows)
    print("memory: at most the goal; the others: at least")
    print("ms a frame: " + ", ".join(f"{name} {1000 * spent / count:.1f}" for name, spent in stages.items()))


if __name__ == "__main__":
    main()
