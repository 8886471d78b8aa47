"""An answer as HTML, with its pictures inside: nothing is written to disk, everything of others is escaped."""

import base64
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np

from fer.demo.panel import Answer

SIDE = 1024
"""Pixels of the longer side of a picture at most, as it is shown."""


def answers(given: Sequence[Answer]) -> str:
    """Show what models say, side by side."""
    return _filled("answer.html.j2", answers=given)


def refused(text: str) -> str:
    """Show why there is no answer."""
    return _filled("refused.html.j2", text=text)


def picker(samples: dict[str, np.ndarray], megabytes: float) -> str:
    """Show where a picture is dropped or chosen."""
    return _filled("picker.html.j2", samples=samples, megabytes=megabytes)


def picture(image: np.ndarray, side: int = SIDE) -> str:
    """Return an image, uint8 (height, width, 3) RGB, as the source of an <img>; a large one is scaled down."""
    factor = side / max(image.shape[:2])
    if factor < 1:
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    done, jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
    assert done
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}"


def _filled(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(values)


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["picture"] = picture
    return environment
