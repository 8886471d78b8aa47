"""What the rules on the face mean: how often FER+'s annotators disagree with the labels that the rules contradict.

`python benchmarks/label_rules.py data/fer2013_mesh.csv data/fer2013/fer2013new.csv` takes the landmarks that `python -m
fer extract dataset=fer2013` wrote, and FER+'s votes for the same rows. A label is disagreed with where another answer
has more votes; ties agree. Rules that were tried and not kept are shown too. `--drop decisions.json` also writes the
decision file that drops every row that the kept ones contradict.
"""

import argparse
import re
from pathlib import Path

import numpy as np
from common import show

from fer import decisions
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mesh", help="the landmark CSV")
    parser.add_argument("votes", type=Path, help="fer2013new.csv")
    parser.add_argument("--drop", type=Path, help="a decision file to write")
    args = parser.parse_args()
    splits = [f"dataset.splits.{name}" for name in ("train=Training", "validation=PublicTest", "test=none")]
    dataset = compose("audit", "dataset=facemesh_csv", f"dataset.path={args.mesh}", *splits).dataset
    classes, names, votes = dataset.spec().classes, dataset.store.names, read_votes(args.votes)[1]
    answers = [plain(name) for name in COLUMNS[1:]]
    columns = np.array([answers.index(plain(name)) for name in classes])
    rows, found = [], {}
    for split, part in (("train", "Training"), ("validation", "PublicTest")):
        samples = dataset.load(split)
        ids = [int(re.findall(r", .* row (\d+)", samples.name(i))[0]) for i in range(len(samples))]
        given = votes[np.array(ids) - 1]
        wrong = given[np.arange(len(ids)), columns[samples.targets]] < given.max(axis=1)
        for rule, which in contradicted(dataset.faces(samples.rows), samples.targets, classes, (*RULES, *TRIED)):
            if rule in RULES:
                found |= {names[int(samples.rows[i])]: {"action": "drop"} for i in which}
            label = next(name for name in classes if plain(name) == rule.label)
            base = float(wrong[samples.targets == classes.index(label)].mean())
            share = float(wrong[which].mean()) if len(which) else float("nan")
            rows.append([part, label, rule.reason, len(which), 100 * share, 100 * base, share / base])
    show(["part", "label", "but", "faces", "disagree, %", "of all, %", "times"], rows)
    if args.drop:
        args.drop.write_text(decisions.write("facemesh_csv", dataset.digests, classes, found))


if __name__ == "__main__":
    main()
