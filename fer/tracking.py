"""Faces over the frames of a video: the same id for the same face, and steadier predictions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer.device.faces import Box
from fer.predictor import Prediction
from fer.smoothing import OneEuro, Smoother

OVERLAP = 0.3
"""Least intersection over union of one face's boxes in two frames."""

KEPT = 1.0
"""Seconds for which a face that is not found keeps its id."""


@dataclass
class _Track:
    face: int
    box: Box
    seconds: float
    probabilities: np.ndarray
    smooth: Smoother


class Tracker:
    """Follows faces by the overlap of their boxes, best overlap first.

    Args:
        smoothing: seconds over which probabilities are averaged (the time constant); 0 for not at all, which leaves
            points as they are, too.
        points: the filter of points.
    """

    def __init__(self, smoothing: float, points: OneEuro) -> None:
        self._smoothing, self._settings = smoothing, points
        self._tracks: list[_Track] = []
        self._next = 1

    def __call__(self, predictions: Sequence[Prediction], seconds: float) -> list[tuple[int, Prediction]]:
        """Return each face of the next frame with its id, from 1, and smoothed."""
        self._tracks = [track for track in self._tracks if seconds - track.seconds <= KEPT]
        pairs = self._pairs(predictions)
        return [(self._follow(each, pairs.get(number), seconds)) for number, each in enumerate(predictions)]

    def _pairs(self, predictions: Sequence[Prediction]) -> dict[int, _Track]:
        overlaps = sorted(
            (
                (overlap(each.box, track.box), number, place)
                for number, each in enumerate(predictions)
                for place, track in enumerate(self._tracks)
            ),
            reverse=True,
        )
        pairs: dict[int, _Track] = {}
        taken: set[int] = set()
        for share, number, place in overlaps:
            if share >= OVERLAP and number not in pairs and place not in taken:
                pairs[number] = self._tracks[place]
                taken.add(place)
        return pairs

    def _follow(self, seen: Prediction, track: _Track | None, seconds: float) -> tuple[int, Prediction]:
        new = np.array(list(seen.probabilities.values()))
        if track is None:
            track = _Track(self._next, seen.box, seconds, new, Smoother(self._settings))
            self._tracks.append(track)
            self._next += 1
        elif self._smoothing:
            weight = 1 - math.exp(-max(0.0, seconds - track.seconds) / self._smoothing)
            new = track.probabilities + weight * (new - track.probabilities)
        track.box, track.seconds, track.probabilities = seen.box, seconds, new
        return track.face, self._smoothed(seen, track, seconds) if self._smoothing else seen

    def _smoothed(self, seen: Prediction, track: _Track, seconds: float) -> Prediction:
        changes: dict[str, object] = {}
        if seen.probabilities:
            names = list(seen.probabilities)
            best = int(track.probabilities.argmax())
            changes = {
                "probabilities": dict(zip(names, track.probabilities.tolist(), strict=True)),
                "label": names[best],
                "confidence": float(track.probabilities[best]),
            }
        if seen.points.size:
            changes["points"] = track.smooth(seen.points, seconds).astype(np.float32)
        elif seen.mesh is not None:
            points = track.smooth(seen.mesh.points, seconds).astype(np.float32)
            changes["mesh"] = replace(seen.mesh, points=points)
        return replace(seen, **changes)  # type: ignore[arg-type]


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes, in [0, 1]."""
    width = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
    height = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
    shared = max(0, width) * max(0, height)
    return shared / max(1, one.width * one.height + other.width * other.height - shared)
