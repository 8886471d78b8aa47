"""Why a network answered so: Grad-CAM for any image model, occlusion maps for landmarks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from fer.base import batched

REGIONS = 40
"""Neighbourhoods of points that are hidden one at a time."""


def grad_cam(network: keras.Model, inputs: np.ndarray, classes: np.ndarray, *, batch_size: int = 8) -> np.ndarray:
    """Return where an image spoke for a class (Grad-CAM; Selvaraju et al. 2017, arXiv:1610.02391).

    The feature map is the last one as fine as the last convolution, found at any depth of nested models. What is
    derived is the log-probability of the class.

    Args:
        network: takes images, gives probabilities.
        inputs: uint8 (n, height, width, channels).
        classes: int (n,), the class that is explained for each.
        batch_size: images at a time.

    Returns:
        float32 (n, height, width) in [0, 1], 0 everywhere where nothing spoke for the class.

    Raises:
        ValueError: the network has no convolution.
    """
    layer = feature_layer(network)
    maps = []
    for some in batched(len(inputs), batch_size):
        features, gradients = _derived(network, layer, inputs[some], classes[some])
        weights = gradients.mean(axis=(1, 2), keepdims=True)
        raw = np.maximum((features * weights).sum(axis=-1), 0)
        maps.append(raw / np.maximum(raw.max(axis=(1, 2), keepdims=True), 1e-12))
    small = np.concatenate(maps)[..., None].astype(np.float32)
    large = keras.ops.image.resize(small, inputs.shape[1:3], interpolation="bilinear")
    return np.clip(keras.ops.convert_to_numpy(large)[..., 0], 0, 1)


def feature_layer(network: keras.Model) -> keras.Layer:
    """Return the layer whose output Grad-CAM looks at.

    Raises:
        ValueError: the network has no convolution.
    """
    maps = [(layer, layer.output.shape[1:3]) for layer in _leaves(network) if _is_map(layer)]
    convolutions = [size for layer, size in maps if isinstance(layer, CONVOLUTIONS)]
    if not convolutions:
        raise ValueError(f"network {network.name}: expected a convolution, got none")
    return next(layer for layer, size in reversed(maps) if size == convolutions[-1])


def occlusion(
    predict: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, classes: np.ndarray, mean: np.ndarray
) -> np.ndarray:
    """Return how much each landmark spoke for a class: what its neighbourhood's probability falls by when hidden.

    A neighbourhood is hidden by giving its points the places of the mean face (Zeiler & Fergus 2014, for points).

    Args:
        predict: landmarks (n, points, dimensions) -> probabilities (n, classes).
        inputs: float32 (n, points, dimensions).
        classes: int (n,), the class that is explained for each.
        mean: float32 (points, dimensions), the mean of many inputs.

    Returns:
        float32 (n, points): the fall, shared by the points of a neighbourhood; negative where they spoke against it.
    """
    regions = neighbourhoods(mean, REGIONS)
    rows = np.arange(len(inputs))
    whole = predict(inputs)[rows, classes]
    falls = np.empty(inputs.shape[:2], np.float32)
    for region in range(regions.max() + 1):
        hidden = inputs.copy()
        hidden[:, regions == region] = mean[regions == region]
        falls[:, regions == region] = (whole - predict(hidden)[rows, classes])[:, None]
    return falls


def neighbourhoods(points: np.ndarray, count: int) -> np.ndarray:
    """Part points into neighbourhoods around centres that are far from each other: int64 (points,)."""
    centres = [0]
    nearest = np.linalg.norm(points - points[0], axis=-1)
    while len(centres) < min(count, len(points)):
        centres.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(points - points[centres[-1]], axis=-1))
    return np.linalg.norm(points[:, None] - points[centres], axis=-1).argmin(axis=1)


CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.SeparableConv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.Conv2DTranspose,
)


def _leaves(network: keras.Model) -> Iterator[keras.Layer]:
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _is_map(layer: keras.Layer) -> bool:
    try:
        return len(layer.output.shape) == 4
    except (AttributeError, ValueError):  # never called, or called in several places
        return False


def _derived(
    network: keras.Model, layer: keras.Layer, inputs: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a layer's output and the derivative of the classes' log-probabilities with respect to it.

    Nothing is cut out of the network: the layer adds a variable of zeros to its output while it is watched, and the
    derivative with respect to that is the one that is wanted.
    """
    ops = keras.ops
    shape = (len(inputs), *layer.output.shape[1:])
    chosen = ops.one_hot(classes, network.output_shape[-1])
    kept: list[Any] = []

    def score(nothing: Any) -> Any:
        kept.clear()
        with _added(layer, nothing, kept):
            outputs = network(inputs, training=False)
        return ops.sum(ops.log(ops.cast(outputs, "float32") + 1e-7) * chosen), kept[0]

    zeros = ops.zeros(shape, layer.compute_dtype)
    if keras.backend.backend() == "jax":
        import jax

        (_, features), gradients = jax.value_and_grad(score, has_aux=True)(zeros)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(zeros)
            value, features = score(zeros)
        gradients = tape.gradient(value, zeros)
    return tuple(ops.convert_to_numpy(ops.cast(each, "float32")) for each in (features, gradients))


@contextmanager
def _added(layer: keras.Layer, nothing: Any, kept: list[Any]) -> Iterator[None]:
    """Let a layer add something to its output and keep the sum."""
    call = layer.call

    def watched(*args: Any, **kwargs: Any) -> Any:
        kept.append(call(*args, **kwargs) + nothing)
        return kept[-1]

    layer.call = watched
    try:
        yield
    finally:
        layer.call = call
