"""`python -m fer compare`: two finished runs or more beside each other."""

from pathlib import Path

from fer.runs.compare import CompareRun


def compare(run: CompareRun) -> None:
    """Compare the runs, print the tables and say where the page is."""
    from fer.search import comparison  # imports matplotlib

    page = comparison.write(comparison.finished(run.runs), Path(run.output))
    print(f"\n{page}")
