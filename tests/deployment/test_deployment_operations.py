import numpy as np
from ai_edge_litert import schema_py_generated as schema

from fer.deployment.operations import read, write


def test_weights_lie_at_multiples_of_16_bytes(exported):
    """TFLite's schema asks for it, with `force_align`."""
    network = schema.Model.GetRootAs((exported / "export/int8.tflite").read_bytes(), 0)
    buffers = [network.Buffers(number)._tab for number in range(network.BuffersLength())]
    places = [table.Vector(table.Offset(4)) for table in buffers if table.Offset(4)]  # of field 0, the content
    assert len(places) > 10
    assert not any(place % 16 for place in places)


def test_equal_arrays_are_written_once_and_read_back_where_they_were(exported):
    model = read((exported / "export/int8.tflite").read_bytes())
    small = write(model)
    rounded = [each for each in model.subgraphs[0].tensors if each.quantization.scale is not None]
    tensor = max(rounded, key=lambda each: len(each.quantization.scale))
    channels = len(tensor.quantization.scale)
    assert small.count(np.zeros(channels, "<i8").tobytes()) == 1
    tensor.quantization.zeroPoint = np.arange(1, channels + 1)
    large = write(model)
    assert 0 < len(large) - len(small) <= 8 * channels + 32
    again = [each for each in read(large).subgraphs[0].tensors if each.quantization.scale is not None]
    for before, after in zip(rounded, again, strict=True):
        np.testing.assert_array_equal(before.quantization.zeroPoint, after.quantization.zeroPoint)
        np.testing.assert_array_equal(before.quantization.scale, after.quantization.scale)
