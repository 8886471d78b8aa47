"""`python -m fer predict`: say what a model sees in images, a video or a camera."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fer.artifact import find
from fer.errors import DataError
from fer.runs.predict import PredictRun

if TYPE_CHECKING:
    from fer.predict import Summary


def predict(run: PredictRun) -> None:
    """Predict, and print what was seen and where it is written."""
    from fer.shots import open_source

    source = open_source(run.source)
    if run.run and not (run.file or run.run.endswith(".tflite")):
        find(run.run)  # what is missing is said before a backend is loaded
        run.runtime.apply(seed=0)
    from fer.predict import predict as work
    from fer.predictor import Predictor

    output = Path(run.output or f"outputs/predict/{datetime.now():%Y-%m-%d/%H-%M-%S}").expanduser()
    with Predictor.load(
        run.file or run.run,
        detector=run.detector,
        detector_file=run.detector_file,
        mesh=run.mesh,
        margin=run.margin,
    ) as predictor:
        done = work(run, source, predictor, output)
    print(_said(done))
    print(_timed(done))
    print(output)
    if done.lost:
        raise DataError(f"{done.lost} What was predicted is kept in {output}")


def _said(done: "Summary") -> str:
    parts = [f"{_count(done.faces, 'face')} in {_count(done.pictures, 'picture')}"]
    parts += [f"no face in {done.empty}"] * bool(done.empty)
    parts += [f"{len(done.unread)} files cannot be read"] * bool(done.unread)
    parts += [", ".join(f"{name} {count}" for name, count in done.labels.most_common() if count)] * bool(done.labels)
    return "; ".join(part for part in parts if part)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)


def _timed(done: "Summary") -> str:
    whole = sum(done.seconds.values())
    each = ", ".join(f"{name} {1000 * spent / max(1, done.pictures):.1f}" for name, spent in done.seconds.items())
    return f"{done.pictures / whole if whole else 0:.1f} pictures/s (ms each: {each})"
