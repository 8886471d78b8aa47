"""Self-contained HTML pages: templates beside this module, pictures inside, everything escaped."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image


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


def picture(image: np.ndarray, side: int = 96) -> str:
    """Return an image, uint8 (height, width, 1 or 3), as the source of an <img>; a large one is scaled down."""
    shown = Image.fromarray(image.squeeze())
    shown.thumbnail((side, side))
    file = io.BytesIO()
    shown.save(file, "PNG")
    return embedded(file.getvalue())


def embedded(png: bytes) -> str:
    """Return a PNG as the source of an <img>."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def write_text(path: Path, text: str) -> None:
    """Write UTF-8; a file name that is no text (surrogates) is written with escapes."""
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
