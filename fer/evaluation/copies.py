"""Copies of images, exact, near and mirrored: within a split, across splits, and of what was trained on."""

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from fer import cache
from fer.artifact import replacing
from fer.base import batched
from fer.evaluation.traits import AT_ONCE, MIRROR, Traits, grey, normalised, thumbs

NEAR = 0.95
"""Correlation of two images, both at most 48 pixels wide, from which they are called near copies.

On FER2013 all of 70 pairs that were looked at from 0.95 to 0.995 were one photograph, so were 28 from 0.90 to 0.94; of
84 pairs from 0.84 to 0.90 about half were not. Different drawn faces of `dataset=synthetic` reach 0.92.
"""

KINDS = ("exact", "mirrored", "near", "near mirrored")
"""In the order in which an image that is a copy in several ways is counted."""

NONE = len(KINDS)
TILE = 4096
MOST = 8
"""How many near copies of one image are followed up in one tile of 4096 others, so that videos cannot fill memory."""

Read = Callable[[np.ndarray], np.ndarray]
"""Returns the images of some rows."""


@dataclass(frozen=True, kw_only=True)
class Links:
    """Pairs of images that are copies.

    Attributes:
        first: int64 (pairs,), row of one image.
        second: int64 (pairs,), row of the other.
        kind: uint8 (pairs,), index into KINDS.
        correlation: float32 (pairs,), of the thumbnails; 1 for exact ones.
    """

    first: np.ndarray
    second: np.ndarray
    kind: np.ndarray
    correlation: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Leaks:
    """What a judged split shares with the images that were trained on; a row a judged image.

    Attributes:
        kind: uint8 (n,), index into KINDS of the plainest copy in train, NONE without one.
        partner: int64 (n,), that copy's place in train, -1 without one.
    """

    kind: np.ndarray
    partner: np.ndarray

    @property
    def leaked(self) -> np.ndarray:
        """Where there is a copy in train: bool (n,)."""
        return self.kind < NONE

    def counts(self) -> dict[str, int]:
        """Return how many images have a copy of each kind."""
        return {kind: int((self.kind == number).sum()) for number, kind in enumerate(KINDS)}


def links(traits: Traits, read: Read, threshold: float = NEAR) -> Links:
    """Find all copies among images: each with an earlier exact copy once, near ones between different images.

    Args:
        traits: of all images.
        read: returns the images of some rows.
        threshold: lowest correlation of near copies.
    """
    _, first, which = np.unique(traits.digests, return_index=True, return_inverse=True)
    exact = np.flatnonzero(first[which] != np.arange(len(traits)))
    unique = traits[first]
    found = [_links(first[which][exact], exact, 0)]
    place = np.searchsorted(unique.digests, unique.mirrored)  # np.unique sorts, so `unique` is in order
    place[place == len(unique)] = 0
    twins = np.flatnonzero((unique.digests[place] == unique.mirrored) & (place > np.arange(len(unique))))
    found.append(_links(first[twins], first[place[twins]], 1))
    for kind, sign in ((2, np.float32(1)), (3, MIRROR)):
        for a, b in _candidates(unique.descriptors * sign, unique.descriptors, threshold, ordered=True):
            correlation = correlations(read(first[a]), read(first[b]), mirrored=kind == 3)
            near = (correlation >= threshold) & ((unique.mirrored[a] != unique.digests[b]) | (kind == 2))
            found.append(_links(first[a[near]], first[b[near]], kind, correlation[near]))
    return _joined(found)


def leaks(judged: Traits, read: Read, train: Traits, read_train: Read, threshold: float = NEAR) -> Leaks:
    """Find for each judged image whether a copy of it was trained on.

    Args:
        judged: traits of the judged split.
        read: returns its images.
        train: traits of the images that were trained on.
        read_train: returns those.
        threshold: lowest correlation of near copies.
    """
    kind, partner = np.full(len(judged), NONE, np.uint8), np.full(len(judged), -1)
    order = np.argsort(train.digests, kind="stable")
    for number, digests in ((1, judged.mirrored), (0, judged.digests)):  # exact ones last: they are the plainest
        place = order[np.searchsorted(train.digests, digests, sorter=order).clip(max=len(train) - 1)]
        same = train.digests[place] == digests
        kind[same], partner[same] = number, place[same]
    for number, sign in ((2, np.float32(1)), (3, MIRROR)):
        open_ = np.flatnonzero(kind == NONE)
        best = np.full(len(judged), threshold, np.float32)
        for a, b in _candidates(judged.descriptors[open_] * sign, train.descriptors, threshold, ordered=False):
            correlation = correlations(read(open_[a]), read_train(b), mirrored=number == 3)
            for row, other, value in zip(open_[a].tolist(), b.tolist(), correlation.tolist(), strict=True):
                if value >= best[row]:
                    kind[row], partner[row], best[row] = number, other, value
    return Leaks(kind=kind, partner=partner)


def cached_leaks(key: str, find: Callable[[], Leaks]) -> Leaks:
    """Return the leaks stored under a key, or find and store them."""
    file = cache.folder() / f"leaks-{key}.npz"
    try:
        with np.load(file) as found:
            return Leaks(kind=found["kind"], partner=found["partner"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        pass  # not looked for yet, or damaged
    leaks = find()
    with cache.writing(file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as partial:
            np.savez(partial, kind=leaks.kind, partner=leaks.partner)
    return leaks


def correlations(a: np.ndarray, b: np.ndarray, *, mirrored: bool) -> np.ndarray:
    """Return the correlation of each image of `a` with that of `b`, or with its mirror image: float32 (n,)."""
    if mirrored:
        a = a[:, :, ::-1]
    return np.einsum("ij,ij->i", normalised(thumbs(grey(a))), normalised(thumbs(grey(b))))


def groups(pairs: Links, count: int) -> np.ndarray:
    """Return for each of `count` images the number of its group of copies: int64 (count,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs.first), bool), (pairs.first, pairs.second)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


def across(pairs: Links, split_of: np.ndarray, digests: np.ndarray, splits: int) -> dict[tuple[int, int], np.ndarray]:
    """Return for each two splits the kind of copy that each image of the second has in the first.

    Args:
        pairs: the copies among the images of all splits.
        split_of: int (n,), the split of each image.
        digests: uint64 (n,), equal for exact copies.
        splits: how many splits there are.

    Returns:
        (first, second) -> uint8 (n,), index into KINDS, NONE without a copy or in another split than the second.
    """
    _, which = np.unique(digests, return_inverse=True)
    present = np.zeros((which.max(initial=0) + 1, splits), bool)
    present[which, split_of] = True
    best = np.where(present, 0, NONE).astype(np.uint8)  # best[image, split]: the plainest copy there
    for a, b in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
        np.minimum.at(best, which[a], np.where(present[which[b]], pairs.kind[:, None], NONE).astype(np.uint8))
    return {
        (first, second): np.where(split_of == second, best[which, first], NONE).astype(np.uint8)
        for first, second in combinations(range(splits), 2)
    }


def _candidates(
    a: np.ndarray, b: np.ndarray, threshold: float, *, ordered: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows of `a` and of `b` whose descriptors do not rule a correlation out, a few at a time.

    Args:
        a: descriptors.
        b: descriptors.
        threshold: of the correlation.
        ordered: only pairs whose row in `b` is the larger one, where both are the same images.
    """
    for rows in batched(len(a), TILE):
        for columns in batched(len(b), TILE):
            if ordered and columns.stop <= rows.start:
                continue
            bound = a[rows] @ b[columns].T
            if ordered and columns.start <= rows.start:
                bound[np.tri(len(bound), bound.shape[1], rows.start - columns.start) > 0] = 0
            row, column = np.nonzero(bound >= threshold)
            if len(row) > MOST * TILE:
                strongest = np.argpartition(-bound, MOST, axis=1)[:, :MOST]
                row, column = np.repeat(np.arange(len(bound)), MOST), strongest.ravel()
                row, column = (each[bound[row, column] >= threshold] for each in (row, column))
            for some in batched(len(row), AT_ONCE // 4000):
                yield rows.start + row[some], columns.start + column[some]


def _links(first: np.ndarray, second: np.ndarray, kind: int, correlation: np.ndarray | None = None) -> Links:
    if correlation is None:
        correlation = np.ones(len(first), np.float32)
    return Links(first=first, second=second, kind=np.full(len(first), kind, np.uint8), correlation=correlation)


def _joined(parts: list[Links]) -> Links:
    return Links(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in Links.__dataclass_fields__}
    )
