"""TFLite for Coral's Edge TPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fer.export.int8 import Int8


@dataclass(kw_only=True)
class EdgeTpu(Int8):
    """An int8 file with integer input and output, then compiled, or where there is no compiler a prediction of it."""

    def finish(self, file: Path) -> list[str]:
        """Compile the file, or predict what the compiler would do (see fer.deployment.edgetpu)."""
        from fer.deployment.edgetpu import compile_or_predict

        return compile_or_predict(file)
