"""A window of OpenCV."""

import subprocess
import sys

import cv2
import numpy as np

from fer.errors import RunError


class Window:
    """A window that shows frames; a context that closes it."""

    def __init__(self, title: str) -> None:
        """Open it.

        Raises:
            RunError: there is no display.
        """
        _demand_display()
        self._title = title
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)

    def show(self, image: np.ndarray, milliseconds: int) -> str:
        """Show an RGB image and wait for a key.

        Returns:
            The key's character, "" where none was pressed in time, "q" where the window was closed or Escape pressed.
        """
        cv2.imshow(self._title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        code = cv2.waitKey(max(1, milliseconds)) & 0xFF
        if code == 27 or cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1:
            return "q"
        return "" if code == 0xFF else chr(code)

    def __enter__(self) -> "Window":
        """Return the window."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        cv2.destroyAllWindows()
        cv2.waitKey(1)  # without it the window stays until the process ends


def _demand_display() -> None:
    """Open a window in another process: without a display, OpenCV's Qt ends the process that tries."""
    probe = "import cv2; cv2.namedWindow('probe'); cv2.destroyAllWindows()"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RunError(
            "display: no window can be opened here; work from a file without one: "
            "display=false source=clip.mp4 label=<class>"
        )
