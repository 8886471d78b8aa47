"""Put the contract into a .tflite file: as TFLite metadata for other tools, and whole for fer.device."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from fer.artifact import replacing, write_text
from fer.deployment import operations
from fer.device.contract import FORMAT, pack
from fer.device.model import Model
from fer.device.verify import golden

NAME = "TFLITE_METADATA"


def attach(file: Path, contract: dict[str, Any], questions: np.ndarray) -> dict[str, Any]:
    """Complete a .tflite file with its contract, its labels and its answers to golden questions.

    Args:
        file: what the converter wrote; it is replaced, and a .json of the contract is written beside it.
        contract: everything but "format" and "network_sha256".
        questions: the golden inputs (see fer.device.verify.golden).

    Returns:
        The whole contract.
    """
    network = _with_metadata(file.read_bytes(), contract)
    digest = hashlib.sha256(network).hexdigest()
    whole: dict[str, Any] = {"format": FORMAT, **contract, "network_sha256": digest}
    text = json.dumps(whole, indent=2) + "\n"
    labels = "".join(f"{name}\n" for name in contract["output"]["classes"])
    files = {"labels.txt": labels.encode(), "contract.json": text.encode()}
    _replace(file, pack(network, files))
    _replace(file, pack(network, files | golden(Model(file, kernels="reference"), questions)))
    write_text(file.with_suffix(".json"), text)
    return whole


def attach_onnx(file: Path, contract: dict[str, Any]) -> None:
    """Put the contract into a .onnx file as its property "contract", and beside it."""
    import onnx

    whole = {"format": FORMAT, **contract}
    model = onnx.load(file)
    onnx.helper.set_model_props(
        model, {"contract": json.dumps(whole), "labels": "\n".join(contract["output"]["classes"])}
    )
    with replacing(file) as partial:
        onnx.save(model, partial)
    write_text(file.with_suffix(".json"), json.dumps(whole, indent=2) + "\n")


def _replace(file: Path, content: bytes) -> None:
    with replacing(file) as partial:
        partial.write_bytes(content)


def _with_metadata(network: bytes, contract: dict[str, Any]) -> bytes:
    """Add TFLite's metadata (https://ai.google.dev/edge/litert/models/metadata) to a network, and shorten its names."""
    model = operations.read(network)
    for tensor in model.subgraphs[0].tensors:
        # of what was fused the first layer's name is enough, and constants go by the operation that takes them
        tensor.name = b"" if operations.is_constant(model, tensor) else tensor.name.split(b";")[0]
    buffer = operations.empty_buffer()
    buffer.data = np.frombuffer(_metadata(contract), np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = NAME, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    return operations.write(model)


def _metadata(contract: dict[str, Any]) -> bytes:
    import flatbuffers

    fb = _schema()
    given, got = contract["input"], contract["output"]
    takes, gives = fb.TensorMetadataT(), fb.TensorMetadataT()
    takes.name, takes.description = given["kind"], contract["normalisation"]
    if given["kind"] == "image":
        takes.content, takes.processUnits = _image(fb, given), [_normalisation(fb, given)]
        takes.stats = _stats(fb, given["range"])
    gives.name = "probability" if got["target"] == "classes" else "points"
    gives.description = f"{got['target']}: {', '.join(got['classes']) or got['points']}"
    gives.associatedFiles = [_labels(fb)] if got["classes"] else None
    graph = fb.SubGraphMetadataT()
    graph.inputTensorMetadata, graph.outputTensorMetadata = [takes], [gives]
    whole = fb.ModelMetadataT()
    whole.name, whole.version = contract["run"]["name"], str(contract["run"]["commit"])
    whole.description = f"{contract['task']}, exported by fer; contract.json in this file says everything"
    whole.license, whole.minParserVersion = contract["licence"], "1.0.0"
    whole.subgraphMetadata = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(whole.Pack(builder), b"M001")
    return bytes(builder.Output())


def _image(fb: ModuleType, given: dict[str, Any]) -> Any:
    content, image, size = fb.ContentT(), fb.ImagePropertiesT(), fb.ImageSizeT()
    size.height, size.width = given["shape"][:2]
    image.colorSpace = fb.ColorSpaceType.GRAYSCALE if given["colour"] == "grey" else fb.ColorSpaceType.RGB
    image.defaultSize = size
    content.contentPropertiesType, content.contentProperties = fb.ContentProperties.ImageProperties, image
    return content


def _normalisation(fb: ModuleType, given: dict[str, Any]) -> Any:
    """Say in TFLite's terms, (pixel - mean) / std, how pixels of 0 to 255 come into the network's range."""
    low, high = given["range"]
    std = 255 / (high - low)
    unit, options = fb.ProcessUnitT(), fb.NormalizationOptionsT()
    options.mean, options.std = [-low * std], [std]
    unit.optionsType, unit.options = fb.ProcessUnitOptions.NormalizationOptions, options
    return unit


def _stats(fb: ModuleType, limits: list[float]) -> Any:
    stats = fb.StatsT()
    stats.min, stats.max = [float(limits[0])], [float(limits[1])]
    return stats


def _labels(fb: ModuleType) -> Any:
    labels = fb.AssociatedFileT()
    labels.name, labels.type = "labels.txt", fb.AssociatedFileType.TENSOR_AXIS_LABELS
    labels.description = "a class a line, in the order of the outputs"
    return labels


def _schema() -> ModuleType:
    """Load mediapipe's copy of the metadata schema alone: the package would import TensorFlow and desktop libraries."""
    package = importlib.util.find_spec("mediapipe")
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent / "tasks/metadata/metadata_schema_py_generated.py"
    spec = importlib.util.spec_from_file_location("metadata_schema_py_generated", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
