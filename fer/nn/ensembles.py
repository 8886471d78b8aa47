"""Several trained networks as one."""

from collections.abc import Sequence

import keras
import numpy as np

from fer.errors import ConfigError


def averaged(networks: Sequence[keras.Model]) -> keras.Model:
    """Return a network with the mean of the weights of several of one architecture.

    Model soups (Wortsman et al. 2022, arXiv:2203.05482): it pays for networks that were fine-tuned from the same
    weights; those from other random weights do not average.

    Raises:
        ConfigError: they are not of one architecture.
    """
    weights = [network.get_weights() for network in networks]
    shapes = [[array.shape for array in each] for each in weights]
    if any(each != shapes[0] for each in shapes):
        raise ConfigError("runs: expected networks of one architecture for by=weights; choose by=outputs")
    network = networks[0]
    network.set_weights([np.mean(arrays, axis=0).astype(arrays[0].dtype) for arrays in zip(*weights, strict=True)])
    return network


def ensemble(networks: Sequence[keras.Model]) -> keras.Model:
    """Return a network whose outputs are the mean of those of several that take the same inputs."""
    inputs = keras.Input(networks[0].input_shape[1:], name="image")
    members = [_named(network, f"member_{number}") for number, network in enumerate(networks)]
    outputs = keras.layers.Average(name="outputs", dtype="float32")([member(inputs) for member in members])
    return keras.Model(inputs, outputs, name="ensemble")


def _named(network: keras.Model, name: str) -> keras.Model:
    member = network.__class__.from_config({**network.get_config(), "name": name})
    member.set_weights(network.get_weights())
    return member
