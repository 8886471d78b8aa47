"""TensorFlow's converter, alone and corrected, against ai-edge-quantizer on one run (`uv sync --extra quantizer`).

    python benchmarks/quantizers.py run=<run folder>

Both quantize the same network with the same training samples; each file is run on the run's test split.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from fer.config import compose
from fer.deployment import gate
from fer.deployment.calibration import choose
from fer.deployment.convert import convert
from fer.runs.export import ExportRun

FORMATS = ("dynamic", "int8", "int16x8")


def theirs(plain: Path, name: str, calibration: np.ndarray, path: Path) -> Path:
    """Quantize a float32 .tflite with ai-edge-quantizer."""
    from ai_edge_quantizer import quantizer, recipe

    recipes = {"dynamic": recipe.dynamic_wi8_afp32, "int8": recipe.static_wi8_ai8, "int16x8": recipe.static_wi8_ai16}
    made = quantizer.Quantizer(str(plain))
    made.load_quantization_recipe(recipes[name]())
    seen = None
    if made.need_calibration:
        samples = [{"image": each[None].astype(np.float32)} for each in calibration]
        seen = made.calibrate({"serving_default": samples})
    path.write_bytes(bytes(made.quantize(seen).quantized_model))
    return path


def main(run: ExportRun) -> None:
    """Quantize, run and print a line for each file."""
    run.runtime.apply(seed=0)
    from fer import artifact
    from fer.deployment.export import _Job

    folder = artifact.find(run.run)
    with tempfile.TemporaryDirectory() as building:
        job = _Job(run, folder, folder.passport(), Path(building))
        calibration = choose(job.train, job.samples, 200, seed=0)
        plain = convert(job.network, Path(building) / "fp32")
        for name in FORMATS:
            files = [theirs(plain, name, calibration, Path(building) / f"ai-edge-quantizer-{name}.tflite")]
            for quantizer in ("converter",) if name == "dynamic" else ("converter", "corrected"):
                chosen = [] if name == "dynamic" else [f"export.quantizer={quantizer}"]
                exporter = compose("export", f"export={name}", *chosen).export
                files.append(exporter.write(job.network, Path(building) / f"{quantizer}-{name}", calibration))
            for file in files:
                found = gate.judge(file.stem, file, job.task, job.samples, job.reference, run.gate)
                print(
                    f"{found.name:28} {found.bytes:>9,} bytes  {job.task.score} {100 * found.score:.2f}%  "
                    f"agreement {found.agreement}  largest difference {found.largest:.3f}"
                )


if __name__ == "__main__":
    main(compose("export", *sys.argv[1:]))
