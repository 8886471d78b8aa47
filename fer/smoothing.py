"""The one-euro filter: less tremble in points that rest, less delay in points that move."""

import math
from dataclasses import dataclass

import numpy as np

from fer import check


@dataclass(kw_only=True)
class OneEuro:
    """Settings of the one-euro filter (Casiez, Roussel & Vogel, CHI 2012).

    Attributes:
        cutoff: of the low-pass filter for what rests, in Hz; lower is smoother and later.
        speed: how much the cut-off rises with the speed, in Hz for each unit a second; higher is earlier.
        speed_cutoff: of the low-pass filter of the speed itself, in Hz.
    """

    cutoff: float = 1.0
    speed: float = 0.05
    speed_cutoff: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.above(self, "cutoff", 0)
        check.at_least(self, "speed", 0)
        check.above(self, "speed_cutoff", 0)


class Smoother:
    """A one-euro filter of arrays, such as the points of one face over the frames of a video.

    Args:
        settings: of the filter.

    Example:
        >>> smooth = Smoother(OneEuro())
        >>> smooth(np.array([[10.0, 20.0]]), 0.0).tolist()
        [[10.0, 20.0]]
    """

    def __init__(self, settings: OneEuro) -> None:
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """Forget what was seen: the next values are taken as they are."""
        self._values: np.ndarray | None = None
        self._seconds = 0.0

    def __call__(self, values: np.ndarray, seconds: float) -> np.ndarray:
        """Return the smoothed values.

        Args:
            values: float, the same shape each time; another shape, or a time that does not rise, starts anew.
            seconds: when they were seen.
        """
        values = np.asarray(values, np.float64)
        if self._values is None or values.shape != self._values.shape or seconds <= self._seconds:
            self._values, self._speed, self._seconds = values, np.zeros_like(values), seconds
            return values
        step = seconds - self._seconds
        speed = (values - self._values) / step
        self._speed = self._speed + _weight(self.settings.speed_cutoff, step) * (speed - self._speed)
        cutoff = self.settings.cutoff + self.settings.speed * np.abs(self._speed)
        self._values = self._values + _weight(cutoff, step) * (values - self._values)
        self._seconds = seconds
        return self._values


def _weight(cutoff: float | np.ndarray, step: float) -> float | np.ndarray:
    """Return the share of the new value in an exponential filter of this cut-off in Hz, for a step in seconds."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * step))
