"""The settings of `python -m fer verify`."""

from dataclasses import dataclass


@dataclass(kw_only=True)
class VerifyRun:
    """`python -m fer verify`: prove that an exported file still is what was exported.

    Attributes:
        file: the .tflite; `python -m fer verify model.tflite` sets it.
    """

    file: str
