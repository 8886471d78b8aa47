from pathlib import Path

from fer.base import Passport
from fer.tracker.csv import Csv


def test_it_writes_nothing(tmp_path: Path) -> None:
    with Csv().track(Passport(folder=tmp_path, name="run")) as tracking:
        tracking.epoch(0, {"loss": 1.0})
        tracking.results({"accuracy": 0.5}, [], tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())
