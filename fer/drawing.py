"""Faces drawn from a random generator: a data set of exact labels and points that needs no download.

A face is 68 points in face units: x right and y down from between the eyes, half the head's width is 1. The points of a
random head are moved as the expression says, every outline is built from them, and one pose puts both in the picture.
"""

from dataclasses import astuple, dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fer.ibug68 import MIRROR as MIRROR

EXPRESSIONS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SMALLEST = 24
SUPERSAMPLE = 3

Shape = tuple[np.ndarray, np.ndarray]
"""A filled outline: RGB colour (3,) in 0-255 and outline (n, 2) in face units."""

# steps from one side of the face to the other: along the jaw and the skull, the outer lips, and the rest
TURN, SEVEN, FIVE = np.linspace(-np.pi / 2, np.pi / 2, 17), np.linspace(-1, 1, 7), np.linspace(-1, 1, 5)
CIRCLE = np.array([(np.cos(turn), np.sin(turn)) for turn in np.arange(16) * np.pi / 8])
SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])


@dataclass(frozen=True)
class Move:
    """How far an expression moves the face, in face units, by action units (Ekman & Friesen, FACS, 1978)."""

    inner_brow: float = 0.0  # up: AU 1, down: AU 4
    outer_brow: float = 0.0  # up: AU 2, down: AU 4
    frown: float = 0.0  # brows together: AU 4
    upper_lid: float = 0.0  # up: AU 5
    lower_lid: float = 0.0  # up: AU 6 and 7
    wrinkle: float = 0.0  # nose up and wide: AU 9
    upper_lip: float = 0.0  # up: AU 10
    corner: float = 0.0  # up: AU 12, down: AU 15
    stretch: float = 0.0  # wide: AU 12 and 20, narrow: AU 18 and 23
    lips: float = 0.0  # thick: AU 22, thin: AU 23 and 24
    jaw: float = 0.0  # open: AU 25, 26 and 27


# fmt: off
MOVES: dict[str, Move] = {
    "angry": Move(inner_brow=-0.17, outer_brow=0.03, frown=0.12, upper_lid=0.01, lower_lid=0.03,
                  corner=-0.03, stretch=-0.06, lips=-0.05),
    "disgust": Move(inner_brow=-0.08, outer_brow=-0.06, frown=0.03, upper_lid=-0.04, lower_lid=0.04,
                    wrinkle=0.14, upper_lip=0.12, corner=-0.09, jaw=0.05),
    "fear": Move(inner_brow=0.18, outer_brow=0.04, frown=0.08, upper_lid=0.08, lower_lid=-0.02,
                 corner=-0.07, stretch=0.14, jaw=0.17),
    "happy": Move(upper_lid=-0.02, lower_lid=0.04, corner=0.18, stretch=0.15, jaw=0.15),
    "sad": Move(inner_brow=0.17, outer_brow=-0.08, frown=0.04, upper_lid=-0.04, corner=-0.17, stretch=-0.03),
    "surprise": Move(inner_brow=0.17, outer_brow=0.19, upper_lid=0.08, lower_lid=-0.02,
                     stretch=-0.10, jaw=0.42),
    "neutral": Move(),
}
# fmt: on


def draw_face(
    expression: str, size: int, rng: np.random.Generator, colour: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one random face.

    Args:
        expression: one of `EXPRESSIONS`.
        size: side of the picture in pixels, 24 or more.
        rng: everything random comes from here: the same state gives the same bytes, and the same points in colour.
        colour: RGB, else grey.

    Returns:
        Image uint8 (size, size, 3 if colour else 1) in 0-255, and points float32 (68, 2): (x, y) of the iBUG 300-W
        points in pixels, half a pixel or more inside the picture; the centre of the first pixel is (0.5, 0.5).

    Raises:
        ValueError: the expression is unknown or the size too small.
    """
    if expression not in MOVES:
        raise ValueError(f"expected an expression of {', '.join(EXPRESSIONS)}; got {expression!r}")
    if size < SMALLEST:
        raise ValueError(f"expected a size of {SMALLEST} pixels or more; got {size}")
    move = _random_move(expression, rng)
    points = _points(move, rng)
    shapes = _shapes(points, move, rng)
    placed = _pose(np.concatenate([points, *(outline for _, outline in shapes)]), size, rng)

    picture = Image.new("RGB", (size * SUPERSAMPLE, size * SUPERSAMPLE))
    draw = ImageDraw.Draw(picture)
    fills = np.array([fill for fill, _ in shapes]).clip(0, 255).astype(int).tolist()
    corners = (placed * SUPERSAMPLE - 0.5).ravel().tolist()  # in Pillow a whole number is the centre of a pixel
    first = 2 * len(points)
    for fill, (_, outline) in zip(fills, shapes, strict=True):
        draw.polygon(corners[first : first + outline.size], tuple(fill))
        first += outline.size
    picture = picture.reduce(SUPERSAMPLE)
    return _photograph(picture if colour else picture.convert("L"), rng), placed[: len(points)].astype(np.float32)


def _random_move(expression: str, rng: np.random.Generator) -> Move:
    """Weaken the expression at random, and each of its parts a little more, over a face never quite at rest."""
    full = np.array(astuple(MOVES[expression]))
    share = rng.uniform(0.75, 1.1) * rng.uniform(0.8, 1.2, full.size)
    return Move(*(full * share + rng.normal(0, 0.008, full.size)).tolist())


def _points(move: Move, rng: np.random.Generator) -> np.ndarray:
    """Return the 68 points of a random head so moved, float64 (68, 2) in face units."""
    square, chin = rng.uniform(0.70, 1.00), rng.uniform(1.15, 1.35) + 0.6 * max(move.jaw, 0)
    jaw = _xy(np.sign(TURN) * np.abs(np.sin(TURN)) ** square, chin * np.cos(TURN))

    height, arch = rng.uniform(0.30, 0.38), rng.uniform(0.03, 0.09)
    inward = (1 + FIVE) / 2
    raised = height + arch * (1 - FIVE**2) + move.outer_brow * (1 - inward) + move.inner_brow * inward
    brow = _xy(-0.82 + (0.60 + move.frown) * inward, -raised)

    apart, width, opening = rng.uniform(0.38, 0.46), rng.uniform(0.16, 0.21), rng.uniform(0.060, 0.095)
    above, below = max(opening + move.upper_lid, 0.02), max(0.8 * opening - move.lower_lid, 0.01)
    lids = np.array([0, -above, -above, 0.02, below, below])
    eye = _xy(width * np.array([-1, -0.4, 0.4, 1, 0.4, -0.4]) - apart, lids)

    tip, wings = rng.uniform(0.40, 0.50) - 0.6 * move.wrinkle, rng.uniform(0.17, 0.26) + 0.5 * move.wrinkle
    bridge = _xy(np.zeros(4), tip * np.arange(4) / 3)
    base = _xy(wings * FIVE, tip + 0.12 - 0.05 * FIVE**2)

    flip = np.array([-1, 1])
    right_eye = eye[[3, 2, 1, 0, 5, 4]] * flip
    return np.concatenate((jaw, brow, brow[::-1] * flip, bridge, base, eye, right_eye, _mouth(move, rng)))


def _mouth(move: Move, rng: np.random.Generator) -> np.ndarray:
    """Return the points 48 to 67, float64 (20, 2) in face units."""
    height, width = rng.uniform(0.78, 0.85), rng.uniform(0.29, 0.38) + move.stretch
    thick, gap = max(rng.uniform(0.06, 0.11) + move.lips, 0.025), max(move.jaw, 0)
    outer, inner = SEVEN, 0.85 * FIVE

    def lip(across: np.ndarray, rise: float, swell: np.ndarray) -> np.ndarray:
        """Return the edge of a lip, lifted towards its middle and swollen."""
        line = height - move.corner * (across**2 - 0.3)
        return _xy(across * width, line - rise * (1 - across**2) ** 0.7 - thick * swell)

    up, down = 0.15 * gap + max(move.upper_lip, 0), -0.85 * gap
    upper = lip(outer, up, np.array([0, 0.7, 1.0, 0.85, 1.0, 0.7, 0]))
    lower = lip(outer, down, 1.2 * (outer**2 - 1))
    return np.concatenate((upper, lower[-2:0:-1], lip(inner, up, 0 * inner), lip(inner, down, 0 * inner)[-2:0:-1]))


def _shapes(points: np.ndarray, move: Move, rng: np.random.Generator) -> list[Shape]:
    """Return all that is drawn of a face, from the back to the front."""
    skin = _mix(np.array([242, 205, 180]), np.array([120, 80, 58]), rng.random()) + rng.normal(0, 5, 3)
    hair = np.minimum(_mix(np.array([30, 22, 18]), np.array([200, 165, 110]), rng.random() ** 2), 0.9 * skin)
    return _head(points, skin, hair, rng) + _features(points, move, skin, hair, rng) + _lips(points[48:], skin, rng)


def _head(points: np.ndarray, skin: np.ndarray, hair: np.ndarray, rng: np.random.Generator) -> list[Shape]:
    """Return the wall with a picture on it, the locks, the neck, the clothes, the ears, the bare face and the hair."""
    across, dome = np.sin(TURN), np.cos(TURN)
    forehead = rng.uniform(0.55, 1.1) + rng.uniform(-0.2, 0.2) * across
    skull, hairline = _xy(across, -rng.uniform(1.1, 1.35) * dome), _xy(across, -forehead * dome**2)
    mop = skull * rng.uniform(1.04, 1.25)
    ends = mop[[-1, 0]] * 0.95 + (0, max(rng.uniform(-1.0, 1.6), 0))
    wall, cloth = rng.uniform(30, 225, (2, 1)) + rng.normal(0, 30, (2, 3))
    corner, shade = rng.uniform(-3, 2, 2), rng.uniform(0.6, 1.3)
    ear = CIRCLE * (0.12, 0.25) + (-1, 0.12)
    return [
        (wall, SQUARE * 20 - 10),
        (wall * shade, SQUARE * (1, 2) + corner),
        (hair * 0.8, np.concatenate((mop, ends))),
        (skin * 0.75, CIRCLE * (0.6, 1.4) + (0, 0.9)),
        (cloth, CIRCLE * (2, 1) + (0, points[8, 1] + 1.3)),
        (skin * 0.85, ear),
        (skin * 0.85, ear * (-1, 1)),
        (skin, np.concatenate((_curve(points[:17]), skull[::-1]))),
        (hair, np.concatenate((mop, hairline[::-1]))),
    ]


def _features(
    points: np.ndarray, move: Move, skin: np.ndarray, hair: np.ndarray, rng: np.random.Generator
) -> list[Shape]:
    """Return the folds that the expression presses into the skin, the eyes, the brows and the nose."""
    folds = [
        (abs(move.corner), points[[31, 48]]),
        (abs(move.corner), points[[35, 54]]),
        (move.frown, points[[21, 22]] * (0.4, 1)),
        (move.frown, points[[21, 22]] * (0.4, 1) + (0, 0.07)),
        (move.wrinkle, points[[31, 35]] * (0.5, 1) - (0, 0.3)),
        (move.wrinkle, points[[31, 35]] * (0.5, 1) - (0, 0.4)),
    ]
    brow, thick = np.minimum(0.8 * hair, 0.5 * skin), rng.uniform(0.06, 0.12)
    iris = _mix(np.array([45, 28, 18]), np.array([90, 130, 150]), rng.random() ** 2)
    gaze = rng.normal(0, 0.025, 2)
    return [
        *((_mix(skin, 0.7 * skin, 12 * depth), _band(line, 0.03)) for depth, line in folds if depth > 0.01),
        *_eye(points[36:42], gaze, iris, skin),
        *_eye(points[42:48], gaze, iris, skin),
        (brow, _band(_curve(points[17:22]), thick)),
        (brow, _band(_curve(points[22:27]), thick)),
        (0.88 * skin, points[[27, 31, 30]]),
        (0.55 * skin, _band(_curve(points[31:36]), 0.05)),
    ]


def _eye(eye: np.ndarray, gaze: np.ndarray, iris: np.ndarray, skin: np.ndarray) -> list[Shape]:
    """Return the white, the iris, the pupil and the upper lid; the lids hide their part of the iris."""
    upper, lower = _curve(eye[:4]), _curve(eye[[0, 5, 4, 3]])
    ball = (eye[0] + eye[3]) / 2 + gaze
    return [
        (0.5 * skin + 120, np.concatenate((upper, lower[::-1]))),
        (iris, _between(0.085 * CIRCLE + ball, upper, lower)),
        (0.2 * iris, _between(0.04 * CIRCLE + ball, upper, lower)),
        (0.4 * skin, _band(upper - (0, 0.03), 0.04)),
    ]


def _lips(mouth: np.ndarray, skin: np.ndarray, rng: np.random.Generator) -> list[Shape]:
    """Return the lips, the dark between them and, in some faces, the upper teeth."""
    upper, lower = _curve(mouth[12:17]), _curve(mouth[[12, 19, 18, 17, 16]])
    red = _mix(0.7 * skin, np.array([150, 40, 50]), rng.uniform(0.1, 0.6))
    teeth = np.concatenate((upper, _between(upper[::-1] + np.array((0, 0.09)), upper, lower)))
    shapes = [
        (red, np.concatenate((_curve(mouth[:7]), _curve(mouth[[6, 7, 8, 9, 10, 11, 0]])))),
        (np.array([60, 20, 20]), np.concatenate((upper, lower[::-1] + np.array((0, 0.02))))),
        (np.array([235, 230, 220]), teeth),
    ]
    return shapes[: 2 + (rng.random() < 0.6)]


def _pose(outline: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Turn, tilt, scale and shift (n, 2) from face units to pixels so that the first 68, the points, are inside."""
    yaw, roll = np.radians(20) * rng.uniform(-1, 1), np.radians(12) * rng.uniform(-1, 1)
    x, y = outline.T
    # a shallow bowl with a nose on it, too flat for any turned outline to fold over itself
    depth = 0.6 * np.maximum(0, 1 - x**2) + 0.25 * np.exp(-12 * (x**2 + (y - y[30]) ** 2))
    turned = x * np.cos(yaw) + depth * np.sin(yaw)
    tilted = _xy(turned * np.cos(roll) - y * np.sin(roll), turned * np.sin(roll) + y * np.cos(roll))
    placed = size * rng.uniform(0.34, 0.38) * tilted
    low, high = placed[:68].min(0), placed[:68].max(0)
    shift = size * rng.normal(0.5, 0.02, 2) - (low + high) / 2
    return placed + shift.clip(0.5 - low, size - 0.5 - high)


def _photograph(picture: Image.Image, rng: np.random.Generator) -> np.ndarray:
    """Blur, light from one side and add noise: uint8 (size, size, channels)."""
    size = picture.width
    blurred = picture.filter(ImageFilter.GaussianBlur(size * rng.uniform(0, 0.012)))
    pixels = np.asarray(blurred, np.float32).reshape(size, size, -1)
    right = np.linspace(-1, 1, size, dtype=np.float32).reshape(1, size, 1)
    slope = rng.uniform(-0.3, 0.3) * right + rng.uniform(-0.3, 0.3) * right.swapaxes(0, 1)
    lit = rng.uniform(0.65, 1.15) * pixels * (1 + slope) + rng.uniform(-15, 35)
    return (lit + rng.uniform(0, 6) * rng.standard_normal(lit.shape, np.float32)).clip(0, 255).astype(np.uint8)


def _xy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return (n, 2) of its columns."""
    return np.array((x, y)).T


def _band(line: np.ndarray, width: float) -> np.ndarray:
    """Return the outline of a line (n, 2) thickened downwards."""
    return np.concatenate((line, line[::-1] + np.array((0, width))))


def _between(outline: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Return the outline kept below one line and above the other, both from left to right."""
    x, y = outline.T
    return _xy(x, np.minimum(np.maximum(y, np.interp(x, *upper.T)), np.interp(x, *lower.T)))


def _curve(points: np.ndarray) -> np.ndarray:
    """Return (2n - 1, 2): the points (n, 2) and, between each two, one on a smooth curve."""
    return _weights(len(points)) @ points


@cache
def _weights(count: int) -> np.ndarray:
    """Return the four-point scheme (Dyn, Gregory & Levin, 1987) as a matrix, (2 * count - 1, count)."""
    points = np.eye(count)
    ends = np.concatenate((points[:1], points, points[-1:]))
    weights = np.repeat(points, 2, axis=0)[:-1]
    weights[1::2] = (9 * (ends[1:-2] + ends[2:-1]) - ends[:-3] - ends[3:]) / 16
    return weights


def _mix(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Return the first colour with a share in 0-1 of the second."""
    return first + (second - first) * min(max(share, 0), 1)
