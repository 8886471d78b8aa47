"""`python -m fer benchmark`: time and memory of exported files."""

from fer.runs.benchmark import BenchmarkRun


def benchmark(run: BenchmarkRun) -> None:
    """Measure and print the table."""
    from fer.deployment.benchmark import benchmark as measure

    folder = measure(run)
    print((folder / "benchmark.txt").read_text(), end="")
    print(f"in {folder}")
