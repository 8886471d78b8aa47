"""What published datasets are known to hold, so that a changed copy is named as one.

The counts of FER2013 are those of the official fer2013.csv. Its reference fingerprints are 64-bit BLAKE2b digests of
the pixels of the 32 images of each part whose digests are smallest: chosen by no one, and found again in any copy, in
any order and any file format, whose pixels were not touched.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FEWEST = 0.9
"""Share of the reference images that an untouched copy holds byte for byte (some copies are through JPEG in places)."""

OTHER = 0.005
"""Share of a part's images by which the class counts may differ: a few labels were mended in some copies."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What is known of one dataset.

    Attributes:
        classes: class names in the order of `counts`.
        counts: part -> samples of each class.
        digests: part -> digests of its reference images, in hexadecimal.
    """

    classes: tuple[str, ...]
    counts: Mapping[str, tuple[int, ...]]
    digests: Mapping[str, str]


FER2013 = Reference(
    classes=("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"),
    counts={
        "Training": (3995, 436, 4097, 7215, 4830, 3171, 4965),
        "PublicTest": (467, 56, 496, 895, 653, 415, 607),
        "PrivateTest": (491, 55, 528, 879, 594, 416, 626),
    },
    digests={
        "Training": (
            "0000f968d01823ba 000163c009409d73 0004d7b107d6bebb 000b8961fd833e0e 000d96f446473ef2 000f293398c63c9f "
            "0011a340246a8272 00137415af068f8e 0018de0a30fce116 0019063f1c715208 001bbd73cac52a2d 00205ed596dcf75b "
            "0022568a4677d3e5 0025d27f1ee490f9 0026774483d39f3d 0026926ab8ce800c 0029f30ce97dcd6d 002a9318ec9eb78a "
            "002f0eb789ab7cd9 002f823f5b4f4d36 002f9ae0f7c5fd28 0030b456cf05bd4a 0032fd813739363d 00338e9460da1267 "
            "00360dac11be38ab 003b04fa5877c286 003caad80c638f65 003cd18c637f6f3e 003d44203d650cfa 003dc59d3eaf8997 "
            "003e3d62c2f3db75 003eb0b80094d41d"
        ),
        "PublicTest": (
            "0052b45adaa15839 005ddea37905b57e 0060b1c86d45048e 0061df1489ef1671 00cc6d3abadacb70 00f2a76c0fe5c57b "
            "010ce09a985c92d4 011ea822566310a3 0126b1f66b6a8547 012871db3d49a76c 012e8eac4ad1ff05 013cc54fee59fe35 "
            "0140a4fc5f935d18 01517acded66e05a 0153fe95413f245d 0154e65f2e85d4db 0161014a7926c3e1 01651d55a9eccb4f "
            "01665a486e966ffa 0187532cd0d7b112 01b965a4cc392f43 01bf3f2a25ce65a4 01d61d289b63fa61 01e725ad5623cd7b "
            "01ed1f1f10c86941 01ed217185eed1ab 01edede02a959631 0203fe8613e5c730 021a259eeea57995 021d1903cd2371b2 "
            "024515f2924ed464 0252d8721bd7d222"
        ),
    },
)

KNOWN = {"fer2013": FER2013}


def compare(
    name: str,
    *,
    labels: np.ndarray,
    parts: np.ndarray,
    part_names: Sequence[str],
    digests: np.ndarray,
    classes: Sequence[str],
) -> dict[str, Any] | None:
    """Compare a dataset with what is known of it; None for one that nothing is known of.

    Args:
        name: the dataset.
        labels: int (n,).
        parts: int (n,), index into `part_names`.
        part_names: such as "Training".
        digests: uint64 (n,) of the pixels.
        classes: class names in label order.

    Returns:
        counts: part -> {"expected", "found"}, of each part that there is (a list by class); images: part ->
        {"expected", "found"}, how many reference images are there byte for byte; problems: a line for each part that
        is not as published.
    """
    known = KNOWN.get(name)
    if known is None:
        return None
    counts, images, problems = {}, {}, []
    for number, part in enumerate(part_names):
        rows = parts == number
        if part not in known.counts or not rows.any():
            continue
        seen = np.bincount(labels[rows], minlength=len(classes)).tolist()
        by_name = dict(zip(classes, seen, strict=True))
        found = [by_name.get(each, 0) for each in known.classes]
        counts[part] = {"expected": list(known.counts[part]), "found": found}
        published = known.counts[part]
        moved = sum(abs(each - other) for each, other in zip(found, published, strict=True))
        if moved > OTHER * sum(published):
            problems.append(
                f"{part} holds {sum(found):,} images where {sum(published):,} were published; "
                f"the counts of its classes differ by {moved:,}"
            )
        if part in known.digests:
            expected = np.array([int(word, 16) for word in known.digests[part].split()], np.uint64)
            same = int(np.isin(expected, digests[rows]).sum())
            images[part] = {"expected": len(expected), "found": same}
            if same < FEWEST * len(expected):
                problems.append(
                    f"{part} is a doctored copy: {same} of {len(expected)} reference images are there byte for byte "
                    "(the pixels were changed: resized, filtered, compressed or swapped between parts)"
                )
    return {"counts": counts, "images": images, "problems": problems}
