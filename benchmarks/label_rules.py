"""What the rules on the face mean: how often FER+'s annotators disagree with the labels that the rules contradict.

`python benchmarks/label_rules.py data/fer2013_mesh.csv data/fer2013/fer2013new.csv` takes the landmarks that `python -m
fer extract dataset=fer2013` wrote, and FER+'s votes for the same rows. A label is disagreed with where another answer
has more votes; ties agree. Rules that were tried and not kept are shown too.
"""

import argparse
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from common import show

from fer.config import compose
from fer.dataset.ferplus import COLUMNS, read_votes
from fer.evaluation.label_rules import RULES, Rule, contradicted, smiling
from fer.evaluation.mapping import plain

TRIED = (
    Rule("happy", lambda face: face["mouth corners"] < 0, "(not kept) the mouth corners are low"),
    Rule("sad", smiling, "(not kept) the mouth smiles broadly"),
    Rule("angry", smiling, "(not kept) the mouth smiles broadly"),
    Rule("neutral", lambda face: face["mouthFrown"] > 0.2, "(not kept) the mouth frowns"),
)


ANSWERS = tuple(plain(name) for name in COLUMNS[1:])


def votes_of(file: Path, names: Iterable[str]) -> np.ndarray:
    """Return the votes for some of FER2013's rows, by their names in the landmark CSV, int64 (rows, 10) as ANSWERS."""
    return read_votes(file)[1][[int(re.findall(r", .* row (\d+)", name)[0]) - 1 for name in names]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mesh", help="the landmark CSV")
    parser.add_argument("votes", type=Path, help="fer2013new.csv")
    args = parser.parse_args()
    splits = [f"dataset.splits.{name}" for name in ("train=Training", "validation=PublicTest", "test=none")]
    dataset = compose("audit", "dataset=facemesh_csv", f"dataset.path={args.mesh}", *splits).dataset
    classes = dataset.spec().classes
    columns = np.array([ANSWERS.index(plain(name)) for name in classes])
    rows = []
    for split, part in (("train", "Training"), ("validation", "PublicTest")):
        samples = dataset.load(split)
        given = votes_of(args.votes, [samples.name(row) for row in range(len(samples))])
        wrong = given[np.arange(len(given)), columns[samples.targets]] < given.max(axis=1)
        for rule, which in contradicted(dataset.faces(samples.rows), samples.targets, classes, (*RULES, *TRIED)):
            label = next(name for name in classes if plain(name) == rule.label)
            base = float(wrong[samples.targets == classes.index(label)].mean())
            share = float(wrong[which].mean()) if len(which) else float("nan")
            rows.append([part, label, rule.reason, len(which), 100 * share, 100 * base, share / base])
    show(["part", "label", "but", "faces", "disagree, %", "of all, %", "times"], rows)


if __name__ == "__main__":
    main()
