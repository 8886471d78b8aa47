"""Time and memory of the files of an export: each in a process of its own, the files taking turns."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fer import artifact
from fer.errors import ConfigError, ModelError
from fer.runs.benchmark import BenchmarkRun

COLUMNS = ("file", "runtime", "kernels", "threads", "MB", "cold start", "p50", "p95", "per second", "peak MB")
WAY = ("file", "frame", "detect", "crop", "answer", "whole way p50", "p95", "frames/s")


def benchmark(run: BenchmarkRun) -> Path:
    """Measure every .tflite of a run (or one file), and return the folder of table, JSON and plot.

    Raises:
        ConfigError: there is no file to measure.
        ModelError: a file cannot be measured.
    """
    files = _files(run)
    folder = Path(run.output) if run.output else files[0].parent / "benchmark"
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for file in files:
        for threads in run.threads:
            for fast in (False, True) if json.loads(_contract(file))["export"]["integer"] else (True,):
                rows.append({"file": file.name, **_measure(run, file, threads, fast)})
    record = {"machine": platform.platform(), "cpus": os.cpu_count(), "rows": rows}
    artifact.write_text(folder / "benchmark.json", json.dumps(record, indent=2) + "\n")
    artifact.write_text(folder / "benchmark.txt", table(rows) + "\n")
    _draw(folder / "benchmark.png", rows)
    return folder


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return what was measured as lines of text: the networks alone, then the way from a frame to a label."""
    networks = [
        (
            row["file"],
            row["runtime"],
            "XNNPACK" if row["fast"] else "own",
            str(row["threads"]),
            f"{row['bytes'] / 1e6:.2f}",
            "" if row["cold_start_ms"] is None else f"{row['cold_start_ms'] / 1000:.2f} s",
            f"{row['p50_ms']:.2f} ms",
            f"{row['p95_ms']:.2f} ms",
            f"{row['per_second']:.0f}",
            f"{row['peak_mb']:.0f}",
        )
        for row in rows
    ]
    ways = [
        (
            row["file"],
            "x".join(map(str, way["frame"])),
            *(f"{way[part]:.2f} ms" for part in ("detect_ms", "crop_ms", "answer_ms", "p50_ms", "p95_ms")),
            f"{way['per_second']:.1f}",
        )
        for row in rows
        if (way := row.get("whole_way"))
    ]
    return "\n\n".join(_aligned([header, *lines]) for header, lines in ((COLUMNS, networks), (WAY, ways)) if lines)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    cells = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join("  ".join(row).rstrip() for row in cells)


def _files(run: BenchmarkRun) -> list[Path]:
    if run.file:
        return [Path(run.file)]
    folder = artifact.find(run.run).path / "export"
    files = sorted(folder.glob("*.tflite"))
    if not files:
        raise ConfigError(
            f"run={run.run}: {folder} holds no .tflite; `python export.py run={run.run} export=all` first"
        )
    return files


def _contract(file: Path) -> bytes:
    from fer.device.contract import unpack

    packed = unpack(file)
    if packed.contract is None:
        raise ModelError(f"{file}: has no contract of ours; only files that export.py wrote are measured")
    return packed.files["contract.json"]


def _measure(run: BenchmarkRun, file: Path, threads: int, fast: bool) -> dict[str, Any]:
    words = [sys.executable, "-m", "fer.device.measure", str(file.resolve())]
    words += ["--threads", str(threads), "--repeats", str(run.repeats), *(["--fast"] if fast else [])]
    if run.frame and threads == run.threads[0]:
        words += ["--frame", str(Path(run.frame).resolve()), "--faces", run.faces]
    done = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    if done.returncode:
        raise ModelError(done.stderr.strip().rpartition("\n")[2] or f"{file}: crashed (status {done.returncode})")
    return json.loads(done.stdout)


def _draw(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Draw the median time of each file and kernel over the number of threads."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from fer.evaluation.figures import DPI

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    series: dict[tuple[str, bool], list[tuple[int, float]]] = {}
    for row in rows:
        series.setdefault((row["file"], row["fast"]), []).append((row["threads"], row["p50_ms"]))
    for (name, fast), points in series.items():
        style = "-" if fast else "--"
        axes.plot(*zip(*points, strict=True), style, marker="o", label=f"{name}{'' if fast else ', own kernels'}")
    axes.set_xticks(sorted({row["threads"] for row in rows}))
    axes.set_xlabel("threads")
    axes.set_ylabel("median ms for one input")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
    with artifact.replacing(path) as partial:
        FigureCanvasAgg(figure).print_figure(partial, dpi=DPI)
