import os
from types import SimpleNamespace

import pytest

from fer.deployment.edgetpu import compile_or_predict, parse_log, predict, unsupported
from fer.deployment.operations import Operation, operations
from fer.device.contract import unpack
from fer.errors import ConfigError

LOG = """Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 1379 ms.

Input model: model.tflite
Input size: 4.41MiB
Output model: model_edgetpu.tflite
Output size: 5.49MiB
On-chip memory used for caching model parameters: 1.92MiB
On-chip memory remaining for caching model parameters: 1.75KiB
Off-chip memory used for streaming uncached model parameters: 3.23MiB
Number of Edge TPU subgraphs: 1
Total number of operations: 8
Operation log: model_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of the model will instead
run on the CPU, which is slower.
Number of operations that will run on Edge TPU: 5
Number of operations that will run on CPU: 3

Operator                       Count      Status

CONV_2D                        4          Mapped to Edge TPU
LOGISTIC                       1          More than one subgraph is not supported
DEQUANTIZE                     2          Operation is working on an unsupported data type
SOFTMAX                        1          Mapped to Edge TPU
Compilation child process completed within timeout period.
Compilation succeeded!
"""


def step(name="ADD", inputs=(((1, 8, 8, 4), "INT8", False),), outputs=(((1, 8, 8, 4), "INT8"),), **options):
    return Operation(
        number=0, name=name, version=1, layer="a", inputs=inputs, outputs=outputs, options=SimpleNamespace(**options)
    )


def test_a_log_is_read():
    log = parse_log(LOG)
    assert (log.version, log.subgraphs) == ("16.0.384591198", 1)
    assert (log.on_chip, log.streamed) == (round(1.92 * 2**20), round(3.23 * 2**20))
    assert log.operations[0] == ("CONV_2D", 4, "Mapped to Edge TPU")
    assert log.lines() == [
        "edgetpu_compiler 16.0.384591198: 5 of 8 operations are mapped, in 1 subgraph",
        "on the CPU: 1 LOGISTIC: More than one subgraph is not supported",
        "on the CPU: 2 DEQUANTIZE: Operation is working on an unsupported data type",
        f"parameters on the chip: {log.on_chip:,} bytes, streamed: {log.streamed:,} bytes",
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "Edge TPU Compiler version 16.0.384591198\nCompilation failed: Compilation failed due to large activation "
            "tensors in model.\n",
            "Compilation failed due to large activation tensors in model.",
        ),
        ("Invalid model: a.tflite\nModel not quantized\n", "a.tflite"),
        ("nonsense", "expected a log that says what was compiled"),
    ],
)
def test_a_log_of_a_failure_says_why(text, reason):
    with pytest.raises(ConfigError) as caught:
        parse_log(text)
    assert str(caught.value) == f"edgetpu_compiler: {reason}"


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (step(), ""),
        (step("CONV_2D", dilationHFactor=2, dilationWFactor=2), ""),
        (step("CONV_2D", dilationHFactor=2, dilationWFactor=1), "its dilations in x and y differ"),
        (step("HARD_SWISH"), "not among the supported operations"),
        (step("MAX_POOL_2D", fusedActivationFunction=1), "has a fused activation"),
        (step("ADD", inputs=(((1, 8), "FLOAT32", False),)), "works on float32; only 8-bit integers are mapped"),
        (step("ADD", outputs=(((1, 8), "FLOAT32"),)), "gives float32; only 8-bit integers are mapped"),
        (
            step("ADD", inputs=(((2, 3, 8, 8, 4), "INT8", False),)),
            "a tensor of (2, 3, 8, 8, 4): only the three innermost dimensions may be larger than 1",
        ),
        (
            step("SOFTMAX", inputs=(((1, 17_000), "INT8", False),)),
            "its input (1, 17000) is not one-dimensional with at most 16,000 elements",
        ),
        (step("FULLY_CONNECTED", outputs=(((4, 7), "INT8"),)), "its output (4, 7) is not one-dimensional"),
        (
            step("MEAN", inputs=(((1, 8, 8, 6), "INT8", False),), outputs=(((1, 8, 8, 1), "INT8"),)),
            "reduces 6 channels, not a multiple of 4",
        ),
        (step("MEAN", inputs=(((1, 8, 8, 6), "INT8", False),), outputs=(((1, 6), "INT8"),)), ""),
    ],
)
def test_conditions_are_those_of_the_published_list(operation, reason):
    assert unsupported(operation) == reason


def test_the_first_unsupported_operation_parts_the_network():
    found = predict([step(), step("GELU"), step(), step()])
    assert (len(found.mapped), [each.name for each in found.left]) == (1, ["GELU", "ADD", "ADD"])
    assert found.lines()[0] == "Edge TPU: 1 of 4 operations are mapped"
    assert found.lines()[2] == "the CPU runs it and all after it: 2 ADD, 1 GELU"


def test_a_real_file_is_predicted(exported):
    found = predict(operations(unpack(exported / "export/int8.tflite").network))
    assert [each.name for each in found.left] == ["DEQUANTIZE"], "the float output runs on the CPU"
    weights = 3 * 3 * 1 * 8 + 3 * 3 * 8 * 16 + 4 * 4 * 16 * 16 + 16 * 7
    biases = 4 * (8 + 16 + 16 + 7)
    assert weights + biases <= found.parameters < weights + biases + 200, "and some small constants"


def test_a_compiler_on_the_path_is_run(exported, tmp_path, monkeypatch):
    """A script in the compiler's place, which writes what the real one is documented to write."""
    log = tmp_path / "log"
    log.write_text(LOG)
    script = tmp_path / "edgetpu_compiler"
    script.write_text(
        '#!/bin/sh\nwhile [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done\n'
        f'cp "$1" "$out/$(basename "$1" .tflite)_edgetpu.tflite"\ncat {log}\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    folder = tmp_path / "out"
    folder.mkdir()
    file = folder / "edgetpu.tflite"
    file.write_bytes((exported / "export/int8.tflite").read_bytes())
    assert compile_or_predict(file)[0].startswith("edgetpu_compiler 16.0.384591198: 5 of 8 operations are mapped")
    assert (folder / "edgetpu.log").read_text() == LOG
    assert unpack(folder / "edgetpu_edgetpu.tflite").contract["task"] == "classification"
