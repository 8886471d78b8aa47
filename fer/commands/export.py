"""`python export.py`: write a finished run in a format for devices."""

from fer import artifact
from fer.config import module_of
from fer.runs import ExportRun


def export(run: ExportRun) -> None:
    """Write the file into the run's folder `export` and print where it is."""
    folder = artifact.find(run.run)
    passport = folder.passport()

    import keras

    target = folder.path / "export"
    target.mkdir(exist_ok=True)
    file = run.export.write(keras.models.load_model(folder.model, compile=False), target / module_of(run.export))
    print(f"{passport['name']}: {file} ({file.stat().st_size:,} bytes)")
