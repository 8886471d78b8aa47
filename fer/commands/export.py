"""`python export.py`: write a finished run in formats for devices."""

from fer import artifact
from fer.runs.export import ExportRun


def export(run: ExportRun) -> None:
    """Write, judge and report; a file that lost too much is an error."""
    artifact.find(run.run).passport()  # a run that cannot be exported is answered before Keras is imported
    run.runtime.apply(seed=0)
    from fer.deployment.export import export as write  # imports Keras, whose backend is chosen by now

    write(run)
