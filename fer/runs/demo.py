"""The settings of `python -m fer demo`."""

from dataclasses import dataclass

from fer import check
from fer.landmarks import FaceMesh
from fer.runtime import Runtime


@dataclass(kw_only=True)
class DemoRun:
    """`python -m fer demo`: a page in the browser that asks models about pictures and the camera.

    Attributes:
        models: where models are looked for, in this order: folders of .tflite files and finished runs, or such a file
            or run itself.
        host: address that the page is served on; only 127.0.0.1 keeps others away.
        port: of it.
        detector: "facemesh"; "haar" or "yunet" of OpenCV; "none": each picture is a face crop.
        detector_file: YuNet's .onnx file, or another cascade's .xml; null for none.
        mesh: the face mesh.
        megabytes: of a picture's file at most.
        megapixels: of a picture at most; one of more is not decoded.
        runtime: backend and device of runs.
    """

    models: list[str]
    host: str
    port: int
    detector: str
    detector_file: str | None
    mesh: FaceMesh
    megabytes: float
    megapixels: float
    runtime: Runtime

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.one_of(self, "detector", ("facemesh", "haar", "yunet", "none"))
        check.between(self, "port", 1, 65535)
        check.between(self, "megabytes", 0.1, 100)
        check.between(self, "megapixels", 0.1, 89)
