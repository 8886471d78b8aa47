"""`python -m fer extract`: an image dataset to landmark rows, or to aligned face crops."""

from pathlib import Path

from fer.config import module_of, settings
from fer.coverage import describe
from fer.runs.extract import ExtractRun


def extract(run: ExtractRun) -> None:
    """Find the faces, and print in how many images there was one."""
    from fer.crops import FaceCrops  # OpenCV
    from fer.extract import extract as find
    from fer.mesh_csv import MeshCsv

    name = module_of(run.dataset)
    path = Path(run.output or f"outputs/extract/{name}{'_crops' if run.crops else '.csv'}")
    key = {group: settings(getattr(run, group)) for group in ("dataset", "mesh", *(["crop"] if run.crops else []))}
    output = FaceCrops(run.crop) if run.crops else MeshCsv(packed=path.suffix == ".gz")
    tally = find(run.dataset, run.mesh, output, path, workers=run.workers, settings={"name": name, **key})
    print(f"{describe(tally)}\n{path}")
