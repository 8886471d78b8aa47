"""`python -m fer prepare`: verify a dataset before training, or get a public one first."""

from pathlib import Path

from fer.config import module_of
from fer.runs import PrepareRun


def prepare(run: PrepareRun) -> None:
    """Verify the dataset and print what was found."""
    from fer.prepare import describe
    from fer.prepare import prepare as verify

    if run.download:
        from fer.download import download

        download(module_of(run.dataset), Path(run.dataset.path))  # type: ignore[attr-defined]
    print(describe(verify(run.dataset, Path(run.output))))
