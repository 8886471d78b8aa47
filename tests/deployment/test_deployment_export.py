"""Finished runs exported for real."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from fer import artifact
from fer.commands.export import export
from fer.config import compose
from fer.device.contract import unpack
from fer.errors import ConfigError, GateError, RunError


def compose_export(folder: Path, *overrides: str):
    return compose("export", f"run={folder}", *overrides)


@pytest.fixture
def run(exported: Path, tmp_path: Path) -> Path:
    """A copy of the exported run, without its export."""
    return shutil.copytree(exported, tmp_path / "run", ignore=shutil.ignore_patterns("export"))


def change_weights(folder: Path, change) -> None:
    """Change the network of a finished run and sign it anew."""
    network = keras.models.load_model(folder / "model.keras", compile=False)
    change([layer for layer in network.layers if layer.get_weights()])
    network.save(folder / "model.keras")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["weights_sha256"] = artifact.sha256(folder / "model.keras")
    (folder / "manifest.json").write_text(json.dumps(manifest))


def make_the_second_layer_bad(layers) -> None:
    """Give it huge weights for a channel that is always 0: the same function, but no room for the other weights."""
    (kernel, bias), (after, after_bias) = (layer.get_weights() for layer in layers[:2])
    kernel[..., 0], bias[0] = 0, 0
    after[:, :, 0] = 3000 * np.abs(after).max()
    layers[0].set_weights([kernel, bias])
    layers[1].set_weights([after, after_bias])


def test_the_files_say_everything_about_themselves(exported):
    packed = unpack(exported / "export/int8.tflite")
    contract = packed.contract
    passport = artifact.RunFolder(exported).passport()
    assert contract["task"] == "classification"
    assert contract["input"] == {
        "kind": "image",
        "shape": [24, 24, 3],
        "colour": "RGB",
        "range": [0, 255],
        "crop_margin": 0.0,
    }
    assert contract["output"]["classes"] == ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    assert contract["run"]["weights_sha256"] == passport["weights_sha256"]
    assert contract["export"] == {
        **{"format": "int8", "integer": True, "calibration": 200, "seed": 0, "quantizer": "corrected"},
        **{"input": "uint8", "output": "float32"},
    }
    assert json.loads((exported / "export/int8.json").read_text()) == contract
    assert packed.files["labels.txt"].decode().split() == contract["output"]["classes"]


def test_other_tools_read_the_metadata(exported):
    from fer.deployment.metadata import _schema
    from fer.deployment.operations import read

    model = read(unpack(exported / "export/fp32.tflite").network)
    [buffer] = [entry.buffer for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
    metadata = _schema().ModelMetadataT.InitFromPackedBuf(bytes(model.buffers[buffer].data), 0)
    [graph] = metadata.subgraphMetadata
    [takes], [gives] = graph.inputTensorMetadata, graph.outputTensorMetadata
    assert metadata.name == b"smoke"
    assert (takes.stats.min[0], takes.stats.max[0]) == (0, 255)
    assert takes.content.contentProperties.colorSpace == _schema().ColorSpaceType.RGB
    assert [takes.content.contentProperties.defaultSize.height, takes.processUnits[0].options.std[0]] == [24, 1]
    assert gives.associatedFiles[0].name == b"labels.txt"


def test_the_gate_is_recorded(exported):
    gate = json.loads((exported / "export/gate.json").read_text())
    judged = gate["formats"]["int8"]
    passport = artifact.RunFolder(exported).passport()
    assert gate["score"] == passport["metrics"]["accuracy"]
    assert (gate["split"], gate["samples"]) == ("test", 140)
    assert judged["passed"] and judged["agreement"] > 0.9
    low, high = judged["interval"]
    assert low <= judged["drop"] <= high
    assert judged["drop"] == pytest.approx(100 * (gate["score"] - judged["score"]))
    page = (exported / "export/gate.html").read_text()
    assert "int8" in page and "data:image/png;base64," in page


def test_a_planted_bad_layer_is_rejected_and_named_first(run):
    change_weights(run, make_the_second_layer_bad)
    with pytest.raises(GateError) as caught:
        export(compose_export(run, "export=int8", "gate.accuracy_drop=1"))
    network = keras.models.load_model(run / "model.keras", compile=False)
    bad = [f"cnn48/{layer.name}" for layer in network.layers if isinstance(layer, keras.layers.Conv2D)][1]
    text = f"1 are allowed; kept as {run}/export/int8-rejected.tflite; noisiest layers: {bad} "
    assert text in str(caught.value)
    assert not (run / "export/int8.tflite").exists()
    layers = json.loads((run / "export/gate.json").read_text())["formats"]["int8"]["layers"]
    assert layers[0]["layer"] == bad
    assert layers[0]["decibels"] < layers[1]["decibels"] - 5
    assert unpack(run / "export/int8-rejected.tflite").contract is not None


def test_mistakes_are_one_line(run):
    with pytest.raises(ConfigError, match=r"^export\.calibration: expected a value from 32 to 100000, got 3$"):
        compose_export(run, "export=int8", "export.calibration=3")
    with pytest.raises(
        ConfigError, match=r"^runtime: expected tensorflow, whose converter writes the files, got jax; "
    ):
        compose_export(run, "runtime=jax")
    with pytest.raises(ConfigError, match=r"^dataset: expected data as in the run's contract "):
        export(compose_export(run, "+dataset.size=48"))
    (run / "model.keras").write_bytes(b"")
    with pytest.raises(RunError, match=r"missing, or not the weights that manifest\.json speaks of; train again$"):
        export(compose_export(run))
    (run / "manifest.json").unlink()
    with pytest.raises(RunError, match=r"no manifest\.json, so this is not a finished run; choose one, or run=latest$"):
        export(compose_export(run))


@pytest.mark.slow
def test_every_format_of_a_point_regressor_passes(smoke, tmp_path):
    from fer.training import train

    sizes = (
        "model.filters=[8,16]",
        "model.kernels=[3,3]",
        "model.units=[32]",
        "model.input_size=24",
        "model.dropout=0",
    )
    data = ("dataset.size=32", "dataset.target=points", "loss=mse", "dataset.train=350", "training.epochs=4")
    settings = smoke(*sizes, *data)
    settings.runtime.apply(settings.seed)
    folder = train(settings).folder
    verdicts = export(compose_export(folder, "export=all"))
    assert [each.name for each in verdicts] == ["fp32", "fp16", "dynamic", "int8", "int16x8", "edgetpu", "onnx"]
    assert all(each.passed and each.agreement is None for each in verdicts)
    assert {path.suffix for path in (folder / "export").iterdir()} == {".tflite", ".onnx", ".json", ".png", ".html"}
    assert json.loads((folder / "export/onnx.json").read_text())["task"] == "landmarks"


@pytest.mark.slow
def test_a_network_of_mixed_precision_is_exported_in_float32(smoke):
    from fer.training import train

    settings = smoke("runtime.precision=mixed_bfloat16", "model.filters=[4]", "model.kernels=[3]", "model.units=[8]")
    settings.runtime.apply(settings.seed)
    try:
        folder = train(settings).folder
    finally:
        keras.mixed_precision.set_global_policy("float32")
    [verdict] = export(compose_export(folder, "gate.accuracy_drop=100"))
    assert verdict.largest < 0.05, "bfloat16 rounds, the file does not"
    assert np.isfinite(verdict.score)
