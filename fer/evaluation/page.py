"""Self-contained HTML pages: templates beside this module, pictures inside, everything escaped."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image, ImageDraw

from fer.mesh478 import CONTOURS, MESH


def render(template: str, values: Mapping[str, Any]) -> str:
    """Fill a template of this folder; in Markdown, text of others can open no tag and no line."""
    markdown = template.endswith(".md.j2")
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader,
        autoescape=not markdown,
        finalize=(lambda value: " ".join(str(value).replace("<", "&lt;").split())) if markdown else None,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "count": "{:,}".format}
    environment.tests["mapping"] = lambda value: isinstance(value, Mapping)
    return environment.get_template(template).render(values)


def percent(share: float) -> str:
    """Write a share in percent."""
    return f"{100 * share:.1f}%"


def picture(sample: np.ndarray, side: int = 96) -> str:
    """Return a sample as the source of an <img>.

    Args:
        sample: uint8 (height, width, 1 or 3), or a face's points, float (points, 2 or 3), y down.
        side: longer side in pixels at most; of points twice that, for their lines are fine.
    """
    shown = Image.fromarray(sample.squeeze()) if sample.ndim == 3 else _drawn(sample, 4 * side)
    shown.thumbnail((side, side) if sample.ndim == 3 else (2 * side, 2 * side))
    file = io.BytesIO()
    shown.save(file, "PNG")
    return embedded(file.getvalue())


def _drawn(points: np.ndarray, side: int) -> Image.Image:
    """Draw points as dots, and of a whole mesh lips, eyes and brows as lines."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    places = (points[:, :2] - (low + high) / 2) * (0.92 * side / max(*(high - low), 1e-6)) + side / 2
    image = Image.new("L", (side, side), 255)
    pen = ImageDraw.Draw(image)
    whole = len(points) >= MESH
    for x, y in places.tolist():
        pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill=190 if whole else 30)
    for name, contour in CONTOURS.items() if whole else ():
        lines = [contour[:5], contour[5:]] if "brow" in name else [(*contour, contour[0])]
        for line in lines:
            pen.line([tuple(place) for place in places[list(line)].tolist()], fill=30, width=6)
    return image


def embedded(png: bytes) -> str:
    """Return a PNG as the source of an <img>."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def write_text(path: Path, text: str) -> None:
    """Write UTF-8; a file name that is no text (surrogates) is written with escapes."""
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
