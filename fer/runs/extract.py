"""The settings of `python -m fer extract`."""

from dataclasses import dataclass

from fer import check
from fer.base import Dataset
from fer.errors import ConfigError
from fer.landmarks import FaceMesh


@dataclass(kw_only=True)
class Crop:
    """How a face is cut out.

    Attributes:
        size: height and width in pixels, 16 to 1024.
        margin: added at each side, as a part of the face's box.
        colour: RGB, else grey.
    """

    size: int
    margin: float
    colour: bool

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.between(self, "size", 16, 1024)
        check.between(self, "margin", 0, 2)


@dataclass(kw_only=True)
class ExtractRun:
    """`python -m fer extract`: an image dataset to face landmarks, or to aligned face crops.

    Attributes:
        dataset: images with classes.
        mesh: the face mesh.
        crops: write face crops as an image folder, in place of landmarks.
        crop: what they are like.
        workers: processes, 1 or more.
        output: the .csv or .csv.gz file to write, or the folder of the crops; null for a name below outputs/extract.
    """

    dataset: Dataset
    mesh: FaceMesh
    crops: bool
    crop: Crop
    workers: int
    output: str | None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "workers", 1)
        if self.output and self.crops == self.output.endswith((".csv", ".csv.gz")):
            kind = "a folder for the crops" if self.crops else "a name that ends in .csv or .csv.gz"
            raise ConfigError(f"output: expected {kind}, got {self.output}")
