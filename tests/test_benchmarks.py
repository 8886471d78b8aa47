"""Each benchmark's short form runs and prints its table; whether the numbers are good, no test may judge."""

import math
import re
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("startup", 4),
        ("reading", 2),
        pytest.param("blocks", 3, marks=pytest.mark.slow),
        pytest.param("landmarks", 5, marks=pytest.mark.slow),
        pytest.param("facemesh", 7, marks=pytest.mark.slow),
        pytest.param("predict", 3, marks=pytest.mark.slow),
        pytest.param("demo", 3, marks=pytest.mark.slow),
        ("cascade", 2),
        pytest.param("coverage", 9, marks=pytest.mark.slow),
        pytest.param("search", 10, marks=pytest.mark.slow),
        pytest.param("memory", 3, marks=pytest.mark.slow),
        pytest.param("pipeline", 5, marks=pytest.mark.slow),
        pytest.param("resume", 3, marks=pytest.mark.slow),
    ],
)
def test_short_form_prints_its_table(command: Callable[..., CompletedProcess], name: str, rows: int) -> None:
    done = command(f"benchmarks/{name}.py", "--smoke")
    assert done.returncode == 0, done.stderr
    table = [re.split(r"\s{2,}", line.strip()) for line in done.stdout.splitlines()[: 1 + rows]]
    header, *body = table
    assert header[0] in ("ratio", "of goal", "added, of goal")
    for ratio, label, *others in body:
        numbers = [float(cell.replace(",", "")) for cell in (ratio, *others) if cell != "-"]
        assert len(numbers) >= 2, label
        assert all(map(math.isfinite, numbers)), label
        assert max(numbers) > 0, label
