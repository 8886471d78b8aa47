"""The settings of `python -m fer predict`."""

from dataclasses import dataclass
from pathlib import Path

from fer import check
from fer.errors import ConfigError
from fer.landmarks import FaceMesh
from fer.runtime import Runtime


@dataclass(kw_only=True)
class PredictRun:
    """`python -m fer predict`: say what a model sees in images, a video or a camera.

    Attributes:
        source: an image, a folder (searched through), a glob in quotes, a video, or the number of a camera.
        run: a run folder, or "latest".
        file: a .tflite in place of a run, as `model=<file>`; null for both is the one that comes with the repository.
        detector: "facemesh"; "haar" or "yunet" of OpenCV; "none": each image is a face crop.
        detector_file: YuNet's .onnx file, or another cascade's .xml; null for none.
        mesh: the face mesh.
        margin: around a face's box on each side, as a share of its longer side; null for that of the training.
        output: folder of the table and the pictures; null for one below outputs/predict named after the time.
        format: of the table: "csv", "jsonl" or "parquet".
        pictures: write annotated images and videos.
        display: show a window: "auto" (for a camera, where there is a display), "on" or "off".
        batch: frames of a file that are predicted together; a camera's are predicted one by one.
        smoothing: seconds over which a face's probabilities are averaged in a video, and points are smoothed; 0 for
            neither.
        frames: stop a video after so many; 0 for all.
        runtime: backend and device of a run.
    """

    source: str
    run: str | None
    file: str | None
    detector: str
    detector_file: str | None
    mesh: FaceMesh
    margin: float | None
    output: str | None
    format: str
    pictures: bool
    display: str
    batch: int
    smoothing: float
    frames: int
    runtime: Runtime

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.one_of(self, "detector", ("facemesh", "haar", "yunet", "none"))
        check.one_of(self, "format", ("csv", "jsonl", "parquet"))
        check.one_of(self, "display", ("auto", "on", "off"))
        check.between(self, "batch", 1, 256)
        check.at_least(self, "smoothing", 0)
        check.at_least(self, "frames", 0)
        check.folder(self, "output")
        if self.file is not None and not Path(self.file).expanduser().exists():
            raise ConfigError(f"model: no such file: {self.file}; give a .tflite file, or a run's folder with run=")
        if self.margin is not None:
            check.between(self, "margin", 0, 2)
