"""A sweep on a real Slurm cluster of one machine: a job is preempted, requeued, and finishes from its checkpoint.

Run as root, with Debian's slurm-wlm and munge: `pytest -m slurm tests/slurm`.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
QUICK = ("experiment=smoke", "augmentation=none", "model.filters=[8,8,8]", "dataset.train=256", "training.patience=0")

pytestmark = pytest.mark.slurm


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    if os.geteuid() or not shutil.which("slurmctld") or not shutil.which("munged"):
        pytest.skip("needs root, slurm-wlm and munge")
    folder = tmp_path_factory.mktemp("slurm")
    start = str(ROOT / "tests/slurm/start.sh")
    subprocess.run([start, str(folder)], check=True, timeout=120)
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    yield folder
    subprocess.run(["scancel", "--state=RUNNING"], check=False)
    subprocess.run([start, str(folder), "stop"], check=True, timeout=60)


def test_a_preempted_job_is_requeued_and_finishes_from_its_checkpoint(cluster: Path, tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "train.py"), "-m", *QUICK, "training.epochs=6,7", f"sweep={tmp_path / 'sweep'}"]
    words += ["hydra/launcher=slurm", "hydra.launcher.partition=low", f"hydra.launcher.cpus_per_task={os.cpu_count()}"]
    with (tmp_path / "terminal.log").open("w") as log:
        sweep = subprocess.Popen(words, cwd=tmp_path, stdout=log, stderr=log)
    wait_for_epochs(tmp_path / "sweep/0000-smoke/metrics.csv", 2)
    urgent = ["srun", "-p", "high", "-c", str(os.cpu_count()), "true"]
    subprocess.run(urgent, check=True, timeout=300)
    assert sweep.wait(timeout=1500) == 0, (tmp_path / "terminal.log").read_text()

    for job, epochs in (("0000-smoke", 6), ("0001-smoke", 7)):
        assert json.loads((tmp_path / "sweep" / job / "manifest.json").read_text())["epochs"] == epochs
    printed = (tmp_path / "sweep/0000-smoke/output.log").read_text()
    stopped, resumed = re.findall(r"stopped after epoch (\d+)|going on after epoch (\d+)", printed)[:2]
    assert int(stopped[0]) >= 2
    assert resumed[1] == stopped[0]
    assert [row["epoch"] for row in rows(tmp_path / "sweep/0000-smoke/metrics.csv")] == ["0", "1", "2", "3", "4", "5"]
    table = rows(tmp_path / "sweep/sweep.csv")
    assert [row["done"] for row in table] == ["1 of 1", "1 of 1"]


def rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines())) if file.exists() else []


def wait_for_epochs(file: Path, epochs: int) -> None:
    for _ in range(6000):
        if len(rows(file)) >= epochs:
            return
        time.sleep(0.1)
    raise AssertionError(f"{file}: {epochs} epochs did not end")
