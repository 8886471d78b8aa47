"""Files that would crash a runtime: only a process that may die opens them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fer.device.contract import pack, unpack
from fer.device.runner import open_model, probe
from fer.errors import ModelError

ROOT = Path(__file__).resolve().parents[2]


def test_a_good_file_passes_the_probe(exported):
    probe(exported / "export/int8.tflite")


def test_a_network_of_ours_that_was_changed_never_reaches_the_runtime(exported, tmp_path):
    packed = unpack(exported / "export/int8.tflite")
    random = np.random.default_rng(0)
    file = tmp_path / "a.tflite"
    for _ in range(50):
        network = bytearray(packed.network)
        place = int(random.integers(8, len(network)))
        network[place] ^= int(random.integers(1, 256))
        file.write_bytes(pack(bytes(network), packed.files))
        with pytest.raises(ModelError, match="damaged: the network is not the one that its contract speaks of"):
            open_model(file)


@pytest.mark.slow
def test_hostile_networks_are_errors_and_never_a_crash(exported, tmp_path):
    """Mutated, cut and random networks without a contract, opened by one process that must live to the end."""
    network = unpack(exported / "export/int8.tflite").network
    random = np.random.default_rng(0)
    for number in range(12):
        hostile = bytearray(network)
        if number % 3 == 0:
            hostile = hostile[: int(random.integers(8, len(hostile)))]
        elif number % 3 == 1:
            for place in random.integers(8, 2000, size=20):  # tables and offsets come first
                hostile[place] = int(random.integers(256))
        else:
            hostile[8:] = random.bytes(4000)
        (tmp_path / f"{number}.tflite").write_bytes(hostile)
    code = (
        "import sys; from pathlib import Path; from fer.device.runner import open_model\n"
        "from fer.errors import ModelError\n"
        "for path in sorted(Path(sys.argv[1]).glob('*.tflite')):\n"
        "    try: open_model(path); print('opened')\n"
        "    except ModelError as error: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 12
    assert done.stdout.count("refused") >= 8
