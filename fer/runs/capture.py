"""The settings of `python -m fer capture`."""

from dataclasses import dataclass

from fer import check, quality
from fer.errors import ConfigError
from fer.landmarks import FaceMesh


@dataclass(kw_only=True)
class CaptureRun:
    """`python -m fer capture`: label expressions before a camera, or in a video, as rows of landmarks.

    Attributes:
        source: the number of a camera, or a video file.
        output: a .csv file, which is made or gone on with.
        classes: names, one to ten; key 0 records the first.
        label: the class to record while no key is held; needed without a display.
        display: show a window and take keys.
        subject: who is seen; a data set is split by it.
        session: the recording; by default the time of its start.
        mesh: the face mesh. With `mesh.faces=1` a second face in the picture goes unnoticed.
        gate: how good a frame must be.
    """

    source: str
    output: str
    classes: list[str]
    label: str | None
    display: bool
    subject: str
    session: str
    mesh: FaceMesh
    gate: quality.Gate

    def __post_init__(self) -> None:
        """Check what fits together."""
        if not self.output.endswith(".csv"):
            raise ConfigError(f"output: expected a name that ends in .csv, got {self.output}")
        if not 1 <= len(set(self.classes)) == len(self.classes) <= 10:
            raise ConfigError(f"classes: expected one to ten different names, got {self.classes}")
        if self.label is not None:
            check.one_of(self, "label", self.classes)
        elif not self.display:
            raise ConfigError(f"label: needed with display=false: one of {', '.join(self.classes)}")
