"""Weights from files."""

import logging
import warnings
from pathlib import Path

import keras

from fer.errors import ConfigError

log = logging.getLogger(__name__)


def load_network(path: Path) -> keras.Model:
    """Load a run's model.keras, whatever layers of ours it holds."""
    import fer.nn.quantization  # noqa: F401  # Keras finds the layers of a file among those that were imported

    return keras.models.load_model(path, compile=False)


def load_weights(network: keras.Model, path: str, part: str | None = None) -> None:
    """Put the weights of a .keras or .h5 file into a network of the same architecture.

    Where a .keras file has another number of classes or points, all but its last layer is taken, and a line says so.

    Args:
        network: the network to fill.
        path: a .h5 file of weights, or a .keras file of a whole model.
        part: name of the sub-model of a .keras file to take, where it has one.

    Raises:
        ConfigError: the file cannot be read, or its weights do not fit.
    """
    file = Path(path).expanduser()
    try:
        if file.suffix != ".keras":
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # Keras warns of a layer that the file lacks, and goes on
                network.load_weights(file)
            return
        source = load_network(file)
        if part in [layer.name for layer in source.layers]:
            source = source.get_layer(part)
        _copy(source, network)
    except (ValueError, TypeError, OSError, KeyError, UserWarning) as error:
        cause = str(error).rpartition("Exception encountered: ")[2]  # after the whole config of the model
        reason = " ".join(cause.split())[:300]
        raise ConfigError(f"weights: {path} does not fit {network.name}: {reason}") from error


def _copy(source: keras.Model, network: keras.Model) -> None:
    if len(source.weights) != len(network.weights):
        raise ValueError(f"expected {len(network.weights)} arrays, got {len(source.weights)}")
    taken = list(zip(source.weights, network.weights, strict=True))
    head, body = [[pair for pair in taken if _last(pair[1]) is last] for last in (True, False)]
    if any(theirs.shape != ours.shape for theirs, ours in head):
        sizes = [each.shape[-1] for each in head[0]]
        log.info("the outputs begin anew: the file has %d of them, this dataset wants %d", *sizes)
        taken = body
    for theirs, ours in taken:
        if theirs.shape != ours.shape:
            raise ValueError(f"expected {ours.path} of shape {tuple(ours.shape)}, got {tuple(theirs.shape)}")
    for theirs, ours in taken:
        ours.assign(theirs)


def _last(variable: keras.Variable) -> bool:
    return "outputs" in variable.path.split("/")
