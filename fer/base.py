"""What every recipe is: the small abstract types that the groups of `conf/` fill.

A recipe is a keyword-only dataclass. Its fields are settings, `__post_init__` checks them and changes nothing, and one
method does the work. Nothing here, and nothing at the top of a recipe's module, imports Keras or another heavy library.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

from fer import check
from fer.errors import ConfigError

if TYPE_CHECKING:
    import keras

    from fer.search.loop import Search
    from fer.search.space import Parameter
    from fer.search.trial import Goal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """What a model and a report must know of a dataset, without its pixels.

    Attributes:
        name: the dataset's own name, for titles.
        kind: "image" (height, width, channels; uint8, RGB or grey) or "landmarks" (points, dimensions; float32).
        shape: shape of one input.
        classes: class names in label order; empty when the targets are points.
        points: number of (x, y) target points; 0 when the targets are classes.
        mirror: where each target point, or each point of a landmark input, goes in a mirrored face; else empty.
    """

    name: str
    kind: Literal["image", "landmarks"]
    shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    points: int = 0
    mirror: tuple[int, ...] = ()

    @property
    def target(self) -> Literal["classes", "points"]:
        """What a model of this data predicts."""
        return "points" if self.points else "classes"

    @property
    def outputs(self) -> int:
        """Number of values that a model of this data predicts for one input."""
        return 2 * self.points or len(self.classes)


class Source(Protocol):
    """All inputs of a dataset: an array, a memory map, or anything that is indexed like one along its first axis."""

    shape: tuple[int, ...]

    def __len__(self) -> int: ...
    def __getitem__(self, rows: Any, /) -> np.ndarray: ...


@dataclass(frozen=True, kw_only=True)
class Samples:
    """One split: rows of a source that is read only where it is needed, with their targets.

    Attributes:
        source: all inputs of the dataset, usually a memory map: uint8 (n, height, width, channels) for images.
        rows: int64 (samples,), the rows of `source` that belong to this split.
        targets: int64 (samples,) labels; float32 (samples, classes) probabilities, as votes give them; or float32
            (samples, points, 2) pixel coordinates (x, y).
        names: where each sample came from, for people: "fer2013.csv.gz row 17" or a path. As long as `source`.
        groups: of which group each sample is, whose score the report gives apart. As long as `source`, or empty.
        proxies: rows of `source` -> name -> a number of each of them that is known beside the input, such as the size
            of the face before it was scaled, along which the report compares scores; asked for what is judged alone.
    """

    source: Source
    rows: np.ndarray
    targets: np.ndarray
    names: Sequence[str]
    groups: Sequence[str] = ()
    proxies: Callable[[np.ndarray], Mapping[str, np.ndarray]] | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.rows)

    def inputs(self, which: Any) -> np.ndarray:
        """Return the inputs of the samples `which` (any NumPy index) as one array."""
        return self.source[self.rows[which]]

    def name(self, sample: int) -> str:
        """Return where a sample came from."""
        return self.names[int(self.rows[sample])]


@dataclass(kw_only=True)
class Dataset(ABC):
    """Where samples come from: `spec` reads no pixels where that is possible, `load` decodes once into a cache."""

    @abstractmethod
    def spec(self) -> DataSpec:
        """Describe the data.

        Raises:
            DataError: the data is not where the settings say; the text names the accepted layouts and where to get it.
        """

    def available(self) -> tuple[Split, ...]:
        """Return the splits that there are; a dataset may be without "test"."""
        return SPLITS

    @abstractmethod
    def load(self, split: Split) -> Samples:
        """Read one split.

        Raises:
            DataError: the data is missing, damaged, or the split is empty.
        """


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a training with its own set of trainable layers.

    Attributes:
        name: shown in the log and the curves.
        epochs: how many epochs it lasts.
        rate: factor on the optimizer's learning rate.
        frozen_trunk: the sub-model "trunk" is fixed, so that without augmentation its outputs are computed once.
    """

    name: str
    epochs: int
    rate: float = 1.0
    frozen_trunk: bool = False


@dataclass(kw_only=True)
class Model(ABC):
    """A network. `build` returns it with random or given weights; `stages` says how it is trained.

    Attributes:
        weights: "none" for random weights, or the path of a .keras or .h5 file to start from.
    """

    weights: str

    kind: ClassVar[str] = "image"
    """The kind of input that the network takes (see DataSpec.kind)."""

    targets: ClassVar[tuple[str, ...]] = ("classes", "points")
    """What the network can predict (see DataSpec.target)."""

    def __post_init__(self) -> None:
        """Check that the weights are there."""
        if self.weights != "none":
            check.exists(self, "weights")

    @abstractmethod
    def build(self, spec: DataSpec) -> keras.Model:
        """Build the network: inputs as `spec.shape`, outputs `spec.outputs` (probabilities or coordinates)."""

    def stages(self, epochs: int) -> list[Stage]:
        """Split the epochs of a training into stages; one stage with everything trainable unless a model says more."""
        return [Stage(name="all", epochs=epochs)]

    def thaw(self, network: keras.Model, stage: Stage) -> None:
        """Set which layers of the network are trainable in a stage."""
        network.trainable = True


@dataclass(kw_only=True)
class Augmentation(ABC):
    """Random changes to the training inputs, and to the points of images along with them."""

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of input that it changes, or may leave as they are (see DataSpec.kind)."""
        return ("image",)

    @abstractmethod
    def build(self, spec: DataSpec) -> Augment | None:
        """Return the function that changes one batch, or None where nothing is changed."""

    def on_device(self, spec: DataSpec) -> Draw | None:
        """Return the function that draws what the device does to a batch, or None where nothing is changed.

        Raises:
            ConfigError: this augmentation cannot be done there.
        """
        if self.build(spec) is None:
            return None
        raise ConfigError("pipeline.on_device: this augmentation runs on the host; choose augmentation=affine or none")


Augment = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""(inputs, targets, seed) -> (inputs, targets): a batch changed at random, the same for the same seed."""


Draw = Callable[[int, np.random.Generator], dict[str, np.ndarray]]
"""(count, random) -> parameters of what the device does to a batch (see fer.augmentation.affine)."""


@dataclass(kw_only=True)
class Loss(ABC):
    """What the training makes small."""

    target: ClassVar[str] = "classes"
    """What the loss compares (see DataSpec.target)."""

    @abstractmethod
    def build(self, spec: DataSpec) -> keras.losses.Loss:
        """Build the loss for targets as Samples has them and outputs as Model.build says."""


@dataclass(kw_only=True)
class Optimizer(ABC):
    """The optimizer and its learning-rate schedule.

    Attributes:
        learning_rate: the highest rate, reached after the warm-up.
        schedule: "constant"; "cosine" (Loshchilov & Hutter 2017, without restarts); or "plateau" (multiplied by
            `plateau_factor` after `plateau_patience` epochs in which the monitored value did not improve).
        warmup_epochs: epochs in which the rate rises linearly from 0 (Goyal et al. 2017); may be a fraction.
        final_rate: where the cosine ends, as a fraction of `learning_rate`.
        plateau_factor: in (0, 1).
        plateau_patience: in epochs.
        clip_norm: largest norm of all gradients together; 0 for no limit.
        accumulate: batches whose gradients are averaged before a step, for a larger batch than fits in memory.
        ema: momentum of a moving average of the weights (Polyak & Juditsky 1992), which is then what is validated and
            kept; such as 0.999; 0 for none.
        layer_decay: factor on the rate from each layer to the one before it (see fer.nn.layerwise); 1 for none.
    """

    learning_rate: float
    schedule: str
    warmup_epochs: float
    final_rate: float
    plateau_factor: float
    plateau_patience: int
    clip_norm: float
    accumulate: int
    ema: float
    layer_decay: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.above(self, "learning_rate", 0)
        check.one_of(self, "schedule", ("constant", "cosine", "plateau"))
        check.at_least(self, "warmup_epochs", 0)
        check.between(self, "final_rate", 0, 1)
        check.between(self, "plateau_factor", 0.01, 0.99)
        check.at_least(self, "plateau_patience", 1)
        check.at_least(self, "clip_norm", 0)
        check.at_least(self, "accumulate", 1)
        check.between(self, "ema", 0, 0.9999999)
        check.between(self, "layer_decay", 0.01, 1)
        if self.schedule == "plateau" and self.warmup_epochs:
            raise ConfigError(f"warmup_epochs: expected 0 with schedule=plateau, got {self.warmup_epochs}")

    @abstractmethod
    def build(self, rate: Any, factors: Sequence[float] = ()) -> keras.optimizers.Optimizer:
        """Build the optimizer.

        Args:
            rate: a learning rate or a schedule of it (see fer.nn.schedules).
            factors: on the rate of each trained variable; empty where they are all 1.
        """

    def _make(self, kind: type, rate: Any, factors: Sequence[float], **settings: Any) -> keras.optimizers.Optimizer:
        """Build a Keras optimizer with its own settings and those that all have in common."""
        if set(factors) - {1.0}:
            from fer.nn.layerwise import layerwise

            kind = layerwise(kind, factors)
        optimizer = kind(
            rate,
            global_clipnorm=self.clip_norm or None,
            gradient_accumulation_steps=self.accumulate if self.accumulate > 1 else None,
            use_ema=self.ema > 0,
            ema_momentum=self.ema,
            **settings,
        )
        # `fit` would leave the averaged weights in place at its end, where a resumed training only begins
        optimizer.finalize_variable_values = lambda variables: None
        return optimizer


class Tracking(Protocol):
    """An open record of one run."""

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        """Record the values of an epoch (the first is 0)."""

    def results(self, values: Mapping[str, float], figures: Sequence[Path], model: Path) -> None:
        """Record what the finished run reached: flat scores, pictures and the model's file."""


@dataclass(frozen=True, kw_only=True)
class Passport:
    """What a tracker is told when a run starts.

    Attributes:
        folder: the run's folder; a tracker writes only below it.
        name: the run's name.
        config: the resolved configuration, as plain dictionaries.
        environment: versions, git commit, device, data fingerprints.
    """

    folder: Path
    name: str
    config: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True)
class Tracker(ABC):
    """Where runs are reviewed, beside the metrics.csv that is always written."""

    @abstractmethod
    def track(self, passport: Passport) -> AbstractContextManager[Tracking]:
        """Open a record; leaving the context closes it, as failed if an exception passes through."""


@dataclass(kw_only=True)
class Exporter(ABC):
    """A file format for devices."""

    calibrates: ClassVar[bool] = False
    """Whether `write` must see training inputs; such a format has the settings `calibration` and `seed`."""

    integer: ClassVar[bool] = False
    """Whether the file computes in integers."""

    def formats(self) -> dict[str, Exporter]:
        """Return the formats to write, by name."""
        return {type(self).__module__.rpartition(".")[2]: self}

    @abstractmethod
    def write(self, network: keras.Model, path: Path, calibration: np.ndarray | None = None) -> Path:
        """Write the network in this format and return the file.

        Args:
            network: computes in float32.
            path: the file, without a suffix.
            calibration: training inputs, where the format calibrates.

        Raises:
            ConfigError: the network holds something that the format has not.
        """

    def counterpart(self, network: keras.Model) -> keras.Model:
        """Return the network of exact weights whose layers have the names that `write` gives the file's."""
        return network

    def finish(self, file: Path) -> list[str]:
        """Do what is left to do with a file that has passed its gate, and return lines for people."""
        return []


@dataclass(kw_only=True)
class Tuner(ABC):
    """How better settings are searched.

    Attributes:
        space: the keys that are tried and their values (see fer.search.space); conf/tuner/space/ has one a model.
        parallel: trials at a time: each has a GPU of its own where there are some, in turns.
        time_limit: minutes of a trial, after which it is stopped and counts as failed; 0 for none.
        warm: trials are forked from a process that has imported what they need (see fer.search.nursery).
        seed: of the choice of trials.
    """

    space: dict[str, Any]
    parallel: int
    time_limit: float
    warm: bool
    seed: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "parallel", 1)
        check.at_least(self, "time_limit", 0)
        check.at_least(self, "seed", 0)

    @abstractmethod
    def search(self, space: Sequence[Parameter], goal: Goal, folder: Path, epochs: int) -> Search:
        """Open the search that `folder` remembers, or begin one; `epochs` are those of a whole training."""


def batched(length: int, size: int) -> Iterator[slice]:
    """Yield slices of at most `size` that cover `length`."""
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))
