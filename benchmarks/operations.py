"""Which version of each TFLite operation a runtime takes: it is offered every operation in every version.

The files are written here, where the schema is; a runtime of another environment reads them:

    python benchmarks/operations.py write offers.zip
    <python of the other environment> benchmarks/operations.py read offers.zip versions.json

fer/deployment/tflite_runtime_2_14.json is what the second command wrote on Python 3.11 with tflite-runtime 2.14.
"""

import json
import os
import sys
import zipfile

VERSIONS = range(1, 16)


def write(path: str) -> None:
    """Write a network of one operation for each operation and version."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str):
        made = schema.TensorT()
        made.shape, made.name = [1], name
        return made

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, number in vars(schema.BuiltinOperator).items():
            for version in VERSIONS if isinstance(number, int) else ():
                code, operator, graph, model = (
                    getattr(schema, kind)() for kind in ("OperatorCodeT", "OperatorT", "SubGraphT", "ModelT")
                )
                code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
                operator.inputs, operator.outputs = [0], [1]
                graph.tensors, graph.inputs, graph.outputs = [tensor("a"), tensor("b")], [0], [1]
                graph.operators = [operator]
                model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
                model.buffers = [schema.BufferT()]
                builder = flatbuffers.Builder(1024)
                builder.Finish(model.Pack(builder), b"TFL3")
                archive.writestr(f"{name}/{version}", bytes(builder.Output()))


def read(path: str, output: str) -> None:
    """Offer each network to the runtime that is installed, in a child that may crash."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tflite_runtime.interpreter import Interpreter

    highest: dict[str, int] = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.namelist():
            name, _, version = entry.partition("/")
            if _taken(archive.read(entry), Interpreter):
                highest[name] = max(highest.get(name, 0), int(version))
    with open(output, "w") as file:  # noqa: PTH123
        json.dump(dict(sorted(highest.items())), file, indent=1)


def _taken(network: bytes, interpreter: type) -> bool:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        try:
            interpreter(model_content=network)
        except Exception as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        text = said.read()
    os.waitpid(child, 0)
    return not any(words in text for words in (b"Didn't find op", b"unresolved-ops", b"builtin_code out of range"))


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
