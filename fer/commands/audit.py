"""`python -m fer audit`: look for copies, conflicting labels, blank images and doctored splits."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from fer.dataset.ferplus import FerPlus, read_votes
from fer.errors import RunError
from fer.runs.audit import AuditRun


def audit(run: AuditRun) -> None:
    """Audit the dataset, write audit.html and audit.json, and print the warnings."""
    from fer.artifact import replacing
    from fer.artifact import write_text as write_whole
    from fer.evaluation import page
    from fer.evaluation.audit import audit as look
    from fer.evaluation.audit import shown
    from fer.evaluation.copies import KINDS
    from fer.evaluation.traits import QUALITIES

    summary, pool = look(run.dataset, run.near)
    rows = shown(summary)
    pictures = {row: page.picture(image) for row, image in zip(rows, pool.read(np.array(rows, int)), strict=True)}
    text = page.render("audit.html.j2", {**summary, "pictures": pictures, "kinds": KINDS, "qualities": QUALITIES})
    output = Path(run.output)
    try:
        output.mkdir(parents=True, exist_ok=True)
        write_whole(output / "audit.json", json.dumps(summary, indent=2) + "\n")
        with replacing(output / "audit.html") as partial:
            page.write_text(partial, text)
    except OSError as error:
        raise RunError(f"cannot write to {output}: {error.strerror or error}; choose another with output=") from error
    counts = ", ".join(f"{facts['samples']:,} {name}" for name, facts in summary["splits"].items())
    print(f"{summary['dataset']}: {counts}; near copies from a correlation of {run.near}")
    for line in summary["warnings"] or ["nothing was found that makes scores doubtful"]:
        print(f"  {line}")
    if isinstance(run.dataset, FerPlus):
        for part, found in ceilings(run.dataset).items():
            low, high = found["interval"]
            print(
                f"  one annotator of {part} against the other nine: {found['accuracy']:.1%} ({low:.1%} to {high:.1%})"
            )
    print(f"  {output / 'audit.html'}")


def ceilings(dataset: FerPlus) -> dict[str, dict[str, Any]]:
    """Return the human ceiling of each part of FER+, by all ten answers of its questionnaire."""
    from fer.evaluation.votes import human_ceiling

    parts, votes = read_votes(dataset.file())
    return {str(part): human_ceiling(votes[parts == part]) for part in np.unique(parts)}
