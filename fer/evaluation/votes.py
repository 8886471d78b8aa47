"""What several annotators say of one image: the human ceiling, and a model against their votes.

FER+ (Barsoum et al. 2016, arXiv:1608.01041) has ten votes for each image of FER2013.
"""

from typing import Any

import numpy as np

from fer.evaluation.bootstrap import interval
from fer.evaluation.metrics import wilson


def human_ceiling(counts: np.ndarray) -> dict[str, Any]:
    """Judge one annotator by the majority of the others, which is what a model's accuracy should be read against.

    Each vote is held against the majority of the other votes of its image; where those are tied, it counts as its share
    of the tie. This is the mean over all choices of the one annotator, so nothing is drawn.

    Args:
        counts: int (images, classes), votes. Images with fewer than two votes are left out.

    Returns:
        images, accuracy and interval (95%, bootstrap over the images).

    Raises:
        ValueError: no image has two votes.
    """
    counts = counts[counts.sum(axis=1) > 1]
    if not len(counts):
        raise ValueError("votes: expected an image with two votes or more, got none")
    score = np.zeros(len(counts))
    for label in range(counts.shape[1]):
        others = counts.copy()
        others[:, label] -= 1
        top = others.max(axis=1)
        hit = (others[:, label] == top) / (others == top[:, None]).sum(axis=1)
        score += counts[:, label] * hit
    score /= counts.sum(axis=1)
    return {"images": len(counts), "accuracy": float(score.mean()), "interval": list(interval(score))}


def against(outputs: np.ndarray, shares: np.ndarray) -> dict[str, Any]:
    """Judge a model by the votes themselves.

    Args:
        outputs: float (images, classes), probabilities.
        shares: float (images, classes), each row the share of votes of each class.

    Returns:
        cross_entropy (to the votes, in nats), floor (their own entropy: no model can be below), and agreement: for each
        share of votes that the majority has (to a tenth), its images and the accuracy on them with its interval.
    """
    logs = np.log(np.clip(outputs, 1e-7, 1))
    own = np.log(np.clip(shares, 1e-12, 1))
    correct = outputs.argmax(axis=1) == shares.argmax(axis=1)
    level = np.round(shares.max(axis=1) * 10).astype(int)
    rows = []
    for each in np.unique(level):
        here = correct[level == each]
        hits = int(here.sum())
        rows.append(
            {
                "agreement": each / 10,
                "images": len(here),
                "accuracy": hits / len(here),
                "interval": list(wilson(hits, len(here))),
            }
        )
    return {
        "cross_entropy": float(-(shares * logs).sum(axis=1).mean()),
        "floor": float(-(shares * own).sum(axis=1).mean()),
        "agreement": rows,
    }
