"""`python -m fer prepare`: verify a dataset before training, or get a public one first."""

from pathlib import Path

from fer.config import module_of
from fer.runs.prepare import PrepareRun


def prepare(run: PrepareRun) -> None:
    """Verify the dataset and print what was found."""
    from fer.download import download
    from fer.prepare import describe
    from fer.prepare import prepare as verify

    if run.download:
        # Only a dataset on disk has a path; `download` refuses the others by name.
        download(module_of(run.dataset), Path(getattr(run.dataset, "path", "")))
    print(describe(verify(run.dataset, Path(run.output))))
