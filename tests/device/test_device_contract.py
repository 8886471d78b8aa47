import json
import zipfile

import numpy as np
import pytest

from fer.device.contract import LARGEST, pack, unpack
from fer.errors import ModelError

NETWORK = b"\x1c\0\0\0TFL3" + bytes(range(200))


def test_what_is_packed_comes_back_and_other_tools_see_it(tmp_path):
    files = {"labels.txt": b"happy\nsad\n", "contract.json": b"{}"}
    file = tmp_path / "a.tflite"
    file.write_bytes(pack(NETWORK, files))
    packed = unpack(file)
    assert (packed.network, packed.files) == (NETWORK, files)
    assert file.read_bytes().startswith(NETWORK)
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == list(files)
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
    assert pack(NETWORK, files) == file.read_bytes(), "the same input, the same bytes"


def test_a_file_without_a_contract_has_none(tmp_path):
    (tmp_path / "a.tflite").write_bytes(NETWORK)
    packed = unpack(tmp_path / "a.tflite")
    assert packed.contract is None
    assert packed.network == NETWORK


def contract(**changes):
    import hashlib

    whole = {
        "format": 1,
        "input": {"kind": "image", "shape": [24, 24, 3], "colour": "RGB", "range": [0, 255]},
        "output": {"target": "classes", "classes": ["a", "b"], "points": 0},
        "export": {"integer": False},
        "network_sha256": hashlib.sha256(NETWORK).hexdigest(),
    }
    return json.dumps(whole | changes).encode()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "not a TFLite file (those have TFL3 as bytes 5 to 8); cut off, or another format?"),
        (b"PK\3\4" * 10, "not a TFLite file (those have TFL3 as bytes 5 to 8); cut off, or another format?"),
        (
            pack(NETWORK, {"contract.json": contract(network_sha256="0")}),
            "damaged: the network is not the one that its contract speaks of; copy it again",
        ),
        (pack(NETWORK, {"contract.json": b"[]"}), "contract.json holds no object; export the run again"),
        (pack(NETWORK, {"contract.json": b"\xff{"}), "contract.json is missing or no JSON; export the run again"),
        (pack(NETWORK, {"contract.json": b"[" * 99_999}), "contract.json is missing or no JSON; export the run again"),
        (
            pack(NETWORK, {"contract.json": b'{"format": 1}'}),
            "its contract is incomplete ('network_sha256'); export the run again",
        ),
        (
            pack(NETWORK, {"contract.json": contract(format=9)}),
            "expected a contract of format 1 or less, got 9; update fer",
        ),
        (
            pack(NETWORK, {"contract.json": contract(input={"kind": "sound", "shape": [1]})}),
            "its contract makes no sense; export the run again",
        ),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, content, text):
    file = tmp_path / "a.tflite"
    file.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        _ = unpack(file).contract
    assert str(caught.value) == f"{file}: {text}"


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ModelError, match=r"none\.tflite: cannot be read: No such file or directory$"):
        unpack(tmp_path / "none.tflite")


def test_a_zip_bomb_is_not_opened(tmp_path):
    file = tmp_path / "a.tflite"
    file.write_bytes(NETWORK)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("contract.json", bytes(LARGEST + 1))
    assert file.stat().st_size < 100_000
    with pytest.raises(ModelError, match="its associated files are larger than 33,554,432 bytes; not opened"):
        unpack(file)


def test_random_damage_is_an_error_or_no_change(tmp_path):
    """Whatever happens to the bytes, `unpack` raises ModelError or gives a network that its contract speaks of."""
    whole = pack(NETWORK, {"labels.txt": b"a\nb\n", "contract.json": contract()})
    random = np.random.default_rng(0)
    outcomes = set()
    file = tmp_path / "a.tflite"
    for _ in range(400):
        damaged = bytearray(whole[: random.integers(len(whole) + 1)] if random.random() < 0.3 else whole)
        for place in random.integers(max(len(damaged), 1), size=random.integers(1, 6)):
            if damaged:
                damaged[place] = random.integers(256)
        file.write_bytes(damaged)
        try:
            packed = unpack(file)
            outcomes.add("none" if packed.contract is None else "kept")
        except ModelError:
            outcomes.add("refused")
    assert "refused" in outcomes
