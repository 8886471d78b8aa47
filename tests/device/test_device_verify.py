"""A real exported file, changed in every way that a user or a bad copy might."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from fer.device.contract import Packed, pack, unpack
from fer.device.model import Model
from fer.device.verify import verify
from fer.errors import ModelError


@pytest.fixture(scope="module")
def packed(exported: Path) -> Packed:
    return unpack(exported / "export/int8.tflite")


def changed(packed: Packed, part: str, key: str, value: object) -> bytes:
    contract = packed.json("contract.json")
    contract[part][key] = value
    return json.dumps(contract).encode()


def refusal(tmp_path: Path, network: bytes, files: dict[str, bytes]) -> str:
    file = tmp_path / "model.tflite"
    file.write_bytes(pack(network, files))
    with pytest.raises(ModelError) as caught:
        verify(file)
    return str(caught.value).removeprefix(f"{tmp_path}/")


@pytest.mark.parametrize("name", ["fp32", "int8"])
def test_a_file_that_was_not_touched_answers_as_at_export(exported, name):
    count, worst = verify(exported / f"export/{name}.tflite")
    assert (count, worst) == (4, 0.0)


def test_two_swapped_labels_are_found(packed, tmp_path):
    classes = list(packed.json("contract.json")["output"]["classes"])
    classes[0], classes[1] = classes[1], classes[0]
    files = packed.files | {"contract.json": changed(packed, "output", "classes", classes)}
    assert refusal(tmp_path, packed.network, files).startswith(
        "model.tflite: output classes was changed: exported with ['angry', 'disgust', "
    )


def test_the_reference_kernels_answer(exported):
    """They alone give the same bits on every kind of processor (docs/raspberry-pi.md)."""
    file = exported / "export/int8.tflite"
    packed = unpack(file)
    images = np.load(io.BytesIO(packed.files["golden.npz"]))["inputs"]
    answers = [Model(file, kernels="reference")(image).outputs for image in images]
    np.testing.assert_array_equal(packed.json("golden.json")["outputs"], answers)


def test_labels_that_were_swapped_everywhere_are_found_by_the_answers(packed, tmp_path):
    contract, golden = packed.json("contract.json"), packed.json("golden.json")
    answered = golden["labels"][0]
    classes = list(contract["output"]["classes"])
    other = next(name for name in classes if name != answered)
    one, two = classes.index(answered), classes.index(other)
    classes[one], classes[two] = other, answered
    golden["output"]["classes"] = classes
    files = packed.files | {
        "contract.json": changed(packed, "output", "classes", classes),
        "golden.json": json.dumps(golden).encode(),
        "labels.txt": "".join(f"{name}\n" for name in classes).encode(),
    }
    assert refusal(tmp_path, packed.network, files) == (
        f"model.tflite: golden input 0: expected {answered!r} as at export, got {other!r}"
    )


def test_swapped_colours_are_found(packed, tmp_path):
    contract = changed(packed, "input", "colour", "BGR")
    assert refusal(tmp_path, packed.network, packed.files | {"contract.json": contract}) == (
        "model.tflite: input colour was changed: exported with RGB, now BGR"
    )


def test_colours_that_were_swapped_everywhere_are_found_by_the_answers(packed, tmp_path):
    golden = packed.json("golden.json")
    golden["input"]["colour"] = "BGR"
    files = packed.files | {
        "contract.json": changed(packed, "input", "colour", "BGR"),
        "golden.json": json.dumps(golden).encode(),
    }
    text = refusal(tmp_path, packed.network, files)
    assert "answers differ from those at export" in text or "golden input" in text


def test_another_network_is_found_by_its_answers(packed, exported, tmp_path):
    other = unpack(exported / "export/fp32.tflite").network
    contract = packed.json("contract.json")
    contract["network_sha256"] = hashlib.sha256(other).hexdigest()
    text = refusal(tmp_path, other, packed.files | {"contract.json": json.dumps(contract).encode()})
    assert "answers differ from those at export by up to 0." in text or "golden input" in text


def test_a_changed_file_beside_it_is_found(packed, tmp_path):
    (tmp_path / "model.json").write_bytes(changed(packed, "output", "classes", ["a"]))
    assert refusal(tmp_path, packed.network, packed.files) == (
        "model.json: was changed: it is not the contract inside model.tflite"
    )


def test_changed_labels_for_other_tools_are_found(packed, tmp_path):
    text = refusal(tmp_path, packed.network, packed.files | {"labels.txt": b"happy\n"})
    assert text.startswith("model.tflite: labels.txt was changed: expected ['angry', ")


def test_a_file_without_a_contract_cannot_be_verified(packed, tmp_path):
    assert refusal(tmp_path, packed.network, {}) == (
        "model.tflite: has no contract of ours, so there is nothing to verify; was it exported by export.py?"
    )


@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY"])
def test_damaged_golden_inputs_are_found(packed, tmp_path, content):
    text = refusal(tmp_path, packed.network, packed.files | {"golden.npz": content})
    assert text.startswith("model.tflite: golden.npz is missing or damaged (")


def test_the_command_says_it_in_one_line(exported, command):
    done = command("fer", "verify", str(exported / "export/int8.tflite"))
    assert (done.returncode, done.stdout) == (
        0,
        f"{exported}/export/int8.tflite: 4 golden inputs answered as at export (largest difference 0)\n",
    )
    done = command("fer", "verify", __file__)
    assert (done.returncode, done.stderr) == (
        2,
        f"error: {__file__}: not a TFLite file (those have TFL3 as bytes 5 to 8); cut off, or another format?\n",
    )
