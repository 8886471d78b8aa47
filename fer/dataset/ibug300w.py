"""iBUG 300-W: faces in the wild with 68 points, for research only.

Sagonas et al., "300 Faces In-The-Wild Challenge: Database and Results" (Image and Vision Computing, 2016). The protocol
trains on AFW and the training folders of HELEN and LFPW, and judges on their test folders (common) and on iBUG
(challenge).
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from fer import annotations, check
from fer.annotations import Face
from fer.base import DataSpec, Samples, Split
from fer.cache import LISTED, Store, StoredDataset, Writer, fingerprint, open_store
from fer.errors import DataError
from fer.ibug68 import MIRROR, POINTS, swapped
from fer.images import in_threads, read_image
from fer.splits import Splits, cut

log = logging.getLogger(__name__)

OUTSIDE = 0.1
"""How far points may lie outside the image, in sides of the box: those of some faces at its border are estimated."""


@dataclass(kw_only=True)
class Ibug300w(StoredDataset):
    """Square crops around the boxes of dlib's XML, or around the points of .pts files.

    Attributes:
        path: an XML file, or the folder that holds dlib's XML files or, at any depth, images with .pts files.
        size: height and width of the crops in pixels, 32 to 512.
        colour: RGB crops, else grey.
        margin: what is added to the box on each side, as a share of its longer side, 0 to 1.
        box_shift: boxes are moved at random by up to this share of their side, as those of a face detector are.
        box_scale: boxes are made larger or smaller at random by up to this share.
        splits: parts are train, common, challenge (see fer.annotations.SUBSETS) and test. A fraction is taken from each
            subset; a photo's faces and their mirrored copies stay together.
        seed: of the splits that are fractions and of the boxes, 0 or more.
        cache: folder of the decoded data.
        bad_faces: "stop" at a face that cannot be used, or "skip" it with a warning.
    """

    path: str
    size: int
    colour: bool
    margin: float
    box_shift: float
    box_scale: float
    splits: Splits
    seed: int
    cache: str
    bad_faces: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.between(self, "size", 32, 512)
        check.between(self, "margin", 0, 1)
        check.between(self, "box_shift", 0, 0.5)
        check.between(self, "box_scale", 0, 0.5)
        check.at_least(self, "seed", 0)
        check.one_of(self, "bad_faces", ("stop", "skip"))

    def spec(self) -> DataSpec:
        """Describe the data (see Dataset.spec)."""
        shape = (self.size, self.size, 3 if self.colour else 1)
        return DataSpec(name="ibug300w", kind="image", shape=shape, points=POINTS, mirror=MIRROR)

    def open(self) -> Store:
        """Crop the faces into the cache, or find what was cropped before."""
        root = Path(self.path).expanduser().resolve()
        found = list(annotations.read(root))
        faces = [face for face in found if isinstance(face, Face)]
        bad = [reason for reason in found if isinstance(reason, str)]
        crop = {key: getattr(self, key) for key in ("size", "colour", "margin", "box_shift", "box_scale", "seed")}
        marks = hashlib.blake2b(b"".join(np.concatenate([face.box, *face.points]).tobytes() for face in faces))
        key = fingerprint(
            [_stat(face.image) for face in faces], marks=marks.hexdigest(), bad=[bad, self.bad_faces], **crop
        )
        return open_store(self.cache, "ibug300w", key, lambda writer: self._decode(faces, bad, writer))

    def cut(self, store: Store) -> dict[Split, np.ndarray]:
        """Return the rows of each split (see fer.splits.cut)."""
        names = store.names[:]
        _warn_of_swapped(np.asarray(store.targets), names)
        strata, labels = self._strata(store, names)
        return cut(
            self.splits,
            parts=store.parts,
            part_names=store.part_names,
            labels=labels,
            digests=np.unique([annotations.photo_of(name) for name in names], return_inverse=True)[1],
            seed=self.seed,
            classes=strata,
            texts=("ibug300w", "faces of part", self.path),
        )

    def load(self, split: Split) -> Samples:
        """Read one split; each face is of the group of its subset."""
        samples = super().load(split)
        return replace(samples, groups=[annotations.subset_of(name) for name in samples.names[:]])

    def _strata(self, store: Store, names: Sequence[str]) -> tuple[list[str], np.ndarray]:
        """Return the subsets in train, from each of which a fraction is taken, and the number of each row's own."""
        subsets = np.array([annotations.subset_of(name) for name in names])
        in_train = np.isin(
            np.array(store.part_names)[store.parts],
            [part for choice in self.splits.choices("train") if isinstance(choice, list) for part in choice],
        )
        strata = sorted(set(subsets[in_train]))
        return strata, np.array([strata.index(subset) if subset in strata else 0 for subset in subsets])

    def _decode(self, faces: list[Face], bad: list[str], writer: Writer) -> None:
        for reason in bad:
            self._bad(reason, writer)
        crop = partial(
            _crop,
            size=self.size,
            colour=self.colour,
            margin=self.margin,
            jitter=(self.box_shift, self.box_scale, self.seed),
        )
        for face, done in zip(faces, in_threads(crop, faces), strict=True):
            if isinstance(done, str):
                self._bad(f"{face.name}: {done}", writer)
            else:
                pixels, points, size = done
                writer.add(pixels, points, part=face.part, name=face.name, size=size)
        if not writer.rows:
            raise DataError(f"ibug300w: {self.path} has no faces that can be used")

    def _bad(self, reason: str, writer: Writer) -> None:
        if self.bad_faces == "stop":
            raise DataError(
                f"ibug300w: {self.path}: {reason}; mend it, or leave out what cannot be used: dataset.bad_faces=skip"
            )
        writer.skip(reason)


def _stat(path: Path) -> tuple[str, int, int]:
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns


def _warn_of_swapped(points: np.ndarray, names: Sequence[str]) -> None:
    wrong = np.flatnonzero(swapped(points))
    if len(wrong):
        listed = ", ".join(names[row] for row in wrong[:LISTED]) + (", ..." if len(wrong) > LISTED else "")
        log.warning(
            "ibug300w: left and right points are swapped in %d of %d faces: %s", len(wrong), len(points), listed
        )


def _crop(
    face: Face, *, size: int, colour: bool, margin: float, jitter: tuple[float, float, int]
) -> tuple[np.ndarray, np.ndarray, tuple[int, int]] | str:
    """Return pixels uint8 (size, size, channels), points float32 (68, 2) and the image's size, or what is wrong."""
    from PIL import Image

    try:
        image = read_image(str(face.image), colour)
    except Exception as error:  # Pillow raises many kinds for damaged files
        return str(error) or type(error).__name__
    low, high = face.points.min(axis=0), face.points.max(axis=0) - image.size
    longer = max(face.box[2:])
    if max(*-low, *high) > OUTSIDE * longer:
        return f"points lie up to {max(*-low, *high):.0f} pixels outside the image of {image.width}x{image.height}"
    centre, side = jittered(face, *jitter)
    side *= 1 + 2 * margin
    start = centre - side / 2
    pad = int(np.ceil(max(*-start, *(start + side - image.size), 0)))  # the border is repeated outside the image
    padded = np.pad(np.asarray(image), [(pad, pad), (pad, pad)] + [(0, 0)] * colour, mode="edge")
    window = (*(start + pad), *(start + pad + side))
    crop = Image.fromarray(padded).resize((size, size), Image.Resampling.BILINEAR, box=window)
    points = (face.points - start) * (size / side)
    return np.asarray(crop).reshape(size, size, -1), points.astype(np.float32), image.size


def jittered(face: Face, shift: float, scale: float, seed: int) -> tuple[np.ndarray, float]:
    """Return centre (x, y) and side of a face's square box, moved and scaled at random; the same for the same face."""
    name = hashlib.blake2b(face.name.encode(errors="surrogateescape"), digest_size=8).digest()
    random = np.random.default_rng([seed, int.from_bytes(name, "little")])
    side = float(max(face.box[2:]))
    moved = face.box[:2] + face.box[2:] / 2 + side * shift * random.uniform(-1, 1, 2)
    return moved, side * (1 + scale * random.uniform(-1, 1))
