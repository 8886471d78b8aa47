"""The settings of `python -m fer audit`."""

from dataclasses import dataclass

from fer import check
from fer.base import Dataset


@dataclass(kw_only=True)
class AuditRun:
    """`python -m fer audit`: find what makes scores on a dataset doubtful.

    Attributes:
        dataset: images.
        near: correlation from which two images are near copies (see fer.evaluation.copies.NEAR).
        output: folder of audit.html and audit.json.
    """

    dataset: Dataset
    near: float
    output: str

    def __post_init__(self) -> None:
        """Check the range."""
        check.between(self, "near", 0.5, 1)
        check.folder(self, "output")
