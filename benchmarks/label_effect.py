"""What it brings to drop the labels that the rules on the face contradict: three trainings, judged on the same faces.

`python benchmarks/label_effect.py data/fer2013_mesh.csv data/fer2013/fer2013new.csv` trains
`experiment=fer2013_landmark_mlp` for eight epochs: on all rows, without as many random rows of each class, and without
the contradicted ones. The validation faces are the same, and judged twice: by FER2013's labels, and by FER+'s majority
where it is one of the classes. PublicTest is not looked at.
"""

import argparse
import csv
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import fresh, show
from label_rules import ANSWERS, votes_of

from fer import decisions
from fer.config import compose
from fer.dataset.facemesh_csv import FacemeshCsv
from fer.evaluation.bootstrap import paired_bootstrap
from fer.evaluation.label_rules import contradicted
from fer.evaluation.mapping import plain

WORDS = ("experiment=fer2013_landmark_mlp", "dataset.splits.test=none", "training.epochs=8", "training.progress=none")


def dropped(dataset: FacemeshCsv) -> dict[str, np.ndarray]:
    """Return which samples of train each training goes without."""
    samples, classes = dataset.load("train"), dataset.spec().classes
    rules = contradicted(dataset.faces(samples.rows), samples.targets, classes)
    which = np.unique(np.concatenate([found for _, found in rules]))
    counts = np.bincount(samples.targets[which], minlength=len(classes))
    rng = np.random.default_rng(0)
    control = [
        rng.choice(np.flatnonzero(samples.targets == label), count, replace=False) for label, count in enumerate(counts)
    ]
    return {"nothing": which[:0], "random rows": np.concatenate(control), "the contradicted rows": which}


def trained(words: list[str], folder: str) -> list[dict[str, str]]:
    """Train; return what the report says of each validation face: name, true and predicted class, and more."""
    run = replace(compose("train", *words), folder=folder)
    run.runtime.apply(run.seed)
    from fer import training

    training.train(run)
    with Path(folder, "report/predictions.csv").open() as file:
        return list(csv.DictReader(file))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mesh", help="the landmark CSV")
    parser.add_argument("votes", type=Path, help="fer2013new.csv")
    args = parser.parse_args()
    words = [*WORDS, f"dataset.path={args.mesh}"]
    dataset = compose("train", *words).dataset
    samples, classes = dataset.load("train"), dataset.spec().classes
    answers = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (what, which) in enumerate(dropped(dataset).items()):
            file = Path(folder, f"{number}.json")
            chosen = {samples.name(row): {"action": "drop"} for row in which.tolist()}
            file.write_text(decisions.write("facemesh_csv", dataset.digests, classes, chosen))
            more = [f"dataset.decisions={file}"]
            answers[f"{what} ({len(which):,})"] = fresh(trained, [*words, *more], f"{folder}/{number}")
    first = next(iter(answers.values()))
    votes = votes_of(args.votes, [face["name"] for face in first])
    majority = np.array(ANSWERS)[votes.argmax(axis=1)]
    clear = ((votes == votes.max(axis=1, keepdims=True)).sum(axis=1) == 1) & np.isin(
        majority, list(map(plain, classes))
    )
    rows, right = [], {}
    for what, faces in answers.items():
        said = np.array([plain(face["predicted"]) for face in faces])
        own = said == [plain(face["true"]) for face in faces]
        right[what] = {"FER2013's labels": own, "FER+'s majority": (said == majority)[clear]}
        rows.append([what, *(100 * float(each.mean()) for each in right[what].values())])
    show(["trained without", "by FER2013's labels, %", f"by FER+'s majority of {clear.sum():,}, %"], rows)
    *others, last = right
    for other in others:
        for truth, ours in right[last].items():
            found = paired_bootstrap(ours.astype(float) - right[other][truth])
            low, value, high = (100 * each for each in (found.low, found.value, found.high))
            print(f"without {last} against {other}, by {truth}: {value:+.1f} points ({low:.1f} to {high:.1f})")


if __name__ == "__main__":
    main()
