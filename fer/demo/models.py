"""Which models there are to choose from."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from fer.errors import RunError
from fer.network import SHIPPED


def find_models(places: Sequence[str]) -> dict[str, Path]:
    """Return the .tflite files and finished runs of some places, by the names that a visitor sees.

    Args:
        places: folders that are searched through, or a run or a file itself. In each, files that belong to no run come
            first, by name; then the runs, newest first, each with its exported files.

    Raises:
        RunError: there are none.
    """
    found = [(Path(place).expanduser(), path) for place in places for path in _models(Path(place).expanduser())]
    names = [_name(place, path) for place, path in found]
    models = {name if names.count(name) == 1 else str(path): path for name, (_, path) in zip(names, found, strict=True)}
    if not models:
        raise RunError(
            f"models: no finished run and no .tflite file in {', '.join(places)}; make one within two minutes with "
            "python train.py experiment=quickstart"
        )
    return models


def first(models: dict[str, Path]) -> str:
    """Return the model that the page opens with: the repository's, or a file, which is loaded at once, or a run."""
    shipped = (name for name, path in models.items() if path.resolve() == SHIPPED)
    files = (name for name, path in models.items() if path.suffix == ".tflite")
    return next(chain(shipped, files, models))


def _models(place: Path) -> Iterator[Path]:
    if place.suffix == ".tflite" and place.is_file():
        yield place
        return
    runs = sorted(place.glob("**/manifest.json"), key=lambda manifest: -manifest.stat().st_mtime_ns)
    exported = {run.parent: sorted(run.parent.glob("**/*.tflite")) for run in runs}
    taken = {file for files in exported.values() for file in files}
    yield from sorted(file for file in place.glob("**/*.tflite") if file not in taken)
    for run, files in exported.items():
        yield run
        yield from files


def _name(place: Path, path: Path) -> str:
    """Return a path as seen from its place; a place that is a run or a file itself begins with its own name."""
    itself = place.suffix == ".tflite" or (place / "manifest.json").exists()
    return str(path.relative_to(place.parent if itself else place))
