"""What blocks of plain, depthwise and fused convolutions cost to train at 48x48: why Mien has plain ones.

    python benchmarks/blocks.py

Three stages of two blocks on 24x24, 12x12 and 6x6 maps, 24, 48 and 96 filters wide, from noise.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
from common import show

from fer.config import compose

FILTERS = (24, 48, 96)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="one round of two steps: only to see that it runs")
    rounds, steps = (1, 2) if parser.parse_args().smoke else (5, 10)
    compose("train").runtime.apply(seed=0)
    networks = {block.__name__: network(block) for block in (plain, depthwise, fused)}
    spent: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(rounds):  # in turns, so that what else the machine does weighs on all
        for name, each in networks.items():
            spent[name].append(seconds(each, steps))
    first = np.median(spent["plain"])
    show(
        ["ratio", "block", "images/s", "million parameters", "million multiplications"],
        [
            [first / np.median(times), name, BATCH * steps / np.median(times), *sizes(networks[name])]
            for name, times in spent.items()
        ],
    )


BATCH = 64


def network(block: Callable):
    import keras
    from keras import layers

    inputs = keras.Input((48, 48, 1))
    x = convolution(inputs, FILTERS[0], 3, 2)
    for stage, filters in enumerate(FILTERS):
        x = block(x, filters, 2 if stage else 1)
        x = block(x, filters, 1)
    outputs = layers.Dense(7, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    made = keras.Model(inputs, outputs)
    made.compile("adamw", "categorical_crossentropy")
    return made


def convolution(x, filters: int, kernel: int, stride: int = 1, *, active: bool = True):
    from keras import layers

    x = layers.BatchNormalization()(layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False)(x))
    return layers.ReLU(6.0)(x) if active else x


def plain(x, filters: int, stride: int):
    """Two convolutions (He et al. 2016)."""
    y = convolution(convolution(x, filters, 3, stride), filters, 3, active=False)
    return added(x, y)


def depthwise(x, filters: int, stride: int):
    """Widened threefold, one depthwise convolution, narrowed (Sandler et al. 2018)."""
    from keras import layers

    y = convolution(x, 3 * x.shape[-1], 1)
    y = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(y)
    y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
    return added(x, convolution(y, filters, 1, active=False))


def fused(x, filters: int, stride: int):
    """Widened twofold by a convolution, narrowed (Tan & Le 2021)."""
    return added(x, convolution(convolution(x, 2 * x.shape[-1], 3, stride), filters, 1, active=False))


def added(x, y):
    from keras import layers

    return layers.Add()([x, y]) if x.shape == y.shape else y


def seconds(made, steps: int) -> float:
    """Return what `steps` training steps take, after one that is not counted."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (BATCH, 48, 48, 1)).astype(np.float32) / 255
    targets = np.eye(7, dtype=np.float32)[random.integers(0, 7, BATCH)]
    made.train_on_batch(images, targets)
    started = time.perf_counter()
    for _ in range(steps):
        made.train_on_batch(images, targets)
    return time.perf_counter() - started


def sizes(made) -> tuple[float, float]:
    from keras import layers

    kernels = [each for each in made.layers if isinstance(each, layers.Conv2D | layers.DepthwiseConv2D)]
    multiplications = sum(np.prod(each.kernel.shape) * np.prod(each.output.shape[1:3]) for each in kernels)
    return made.count_params() / 1e6, multiplications / 1e6


if __name__ == "__main__":
    main()
