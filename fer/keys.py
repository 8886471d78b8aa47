"""Keys that are held, told from taps."""

import time

REPEAT_DELAY = 0.8
"""Seconds within which a keyboard begins to repeat a key that is held (X.org: 0.66, Windows and macOS: 0.25 to 1)."""

RELEASED = 0.2
"""Seconds without a repeat after which a key is taken as released; keyboards repeat 10 to 40 times a second."""


class HeldKey:
    """Tells a tap from a hold, by the repeats of the keyboard: OpenCV reports no release."""

    def __init__(self) -> None:
        """No key is held."""
        self._key, self._pressed, self._holding = "", -REPEAT_DELAY, False

    def active(self, key: str, now: float | None = None) -> str:
        """Return the key that is down after a poll, or an empty string: one poll long for a tap.

        Args:
            key: what the poll gave, empty for none.
            now: seconds of a clock; the real one unless a test says otherwise.
        """
        now = time.monotonic() if now is None else now
        silence = now - self._pressed
        if key:
            self._holding = key == self._key and silence < REPEAT_DELAY
            self._key, self._pressed = key, now
            return key
        self._holding = self._holding and silence < RELEASED
        return self._key if self._holding else ""
