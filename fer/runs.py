"""The typed whole of each command, and the checks that span several groups."""

from dataclasses import dataclass, field
from typing import Any

from fer import check
from fer.base import SPLITS, Augmentation, Dataset, Exporter, Loss, Model, Optimizer, Tracker
from fer.errors import ConfigError
from fer.runtime import Runtime

NOUNS = {"image": "images", "landmarks": "landmarks"}


@dataclass(kw_only=True)
class Training:
    """How long and how.

    Attributes:
        epochs: at most, over all stages of the model.
        batch_size: samples a step.
        patience: epochs without a better monitored value before the training (or a stage of it) stops; 0 never stops.
        balance: what is done about unequal classes: "none", "class_weights" (losses weighted by
            n / (classes * n_class)) or "oversample" (every class drawn as often as the largest).
        workers: threads that prepare batches; the batches are the same for any number.
        progress: "bar", "lines" (one an epoch, for logs), "none", or "auto" (a bar on a terminal, lines elsewhere).
    """

    epochs: int
    batch_size: int
    patience: int
    balance: str
    workers: int
    progress: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "epochs", 1)
        check.at_least(self, "batch_size", 1)
        check.at_least(self, "patience", 0)
        check.one_of(self, "balance", ("none", "class_weights", "oversample"))
        check.at_least(self, "workers", 1)
        check.one_of(self, "progress", ("auto", "bar", "lines", "none"))


@dataclass(kw_only=True)
class TrainRun:
    """`python train.py`: train a model on a dataset, judge it, and leave a run folder.

    Attributes:
        name: the end of the run folder's name, and the name in the tracker.
        seed: of weights, dropout, batch order and augmentation. A dataset's split has a seed of its own.
        folder: where the run is written; Hydra sets it, from `hydra.run.dir`.
        choices: the choice of each group; Hydra sets it too.
    """

    name: str
    seed: int
    dataset: Dataset
    model: Model
    loss: Loss
    augmentation: Augmentation
    optimizer: Optimizer
    training: Training
    tracker: Tracker
    runtime: Runtime
    folder: str = ""
    choices: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the model and the loss fit the data, before anything heavy is loaded."""
        check.between(self, "seed", 0, 2**32 - 1)
        spec = self.dataset.spec()
        if spec.kind != self.model.kind:
            takes, has = (NOUNS[kind] for kind in (self.model.kind, spec.kind))
            raise ConfigError(f"model: takes {takes}, but dataset {spec.name} has {has}; choose another")
        if spec.target not in self.model.targets:
            predicts = " or ".join(self.model.targets)
            raise ConfigError(f"model: predicts {predicts}, but dataset {spec.name} has {spec.target}; choose another")
        if spec.target != self.loss.target:
            raise ConfigError(
                f"loss: compares {self.loss.target}, but dataset {spec.name} has {spec.target}; "
                f"choose loss={'mse' if spec.target == 'points' else 'cross_entropy'}"
            )
        if spec.target == "points" and self.training.balance != "none":
            raise ConfigError(
                f"training.balance: expected none, since {spec.name} has no classes, got {self.training.balance!r}"
            )
        self.model.stages(self.training.epochs)


@dataclass(kw_only=True)
class EvaluateRun:
    """`python -m fer evaluate`: judge a finished run on any split again.

    Attributes:
        run: a run folder, or "latest".
        split: "train", "validation" or "test".
        dataset: changes to the run's own dataset settings, such as `dataset.path=/elsewhere`.
        output: where the report goes; by default `report` (the test split) or `report_<split>` in the run folder.
        batch_size: samples at a time.
        runtime: backend and device.
    """

    run: str
    split: str
    dataset: dict[str, Any] = field(default_factory=dict)
    output: str | None
    batch_size: int
    runtime: Runtime

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.one_of(self, "split", SPLITS)
        check.at_least(self, "batch_size", 1)


@dataclass(kw_only=True)
class PrepareRun:
    """`python -m fer prepare`: verify a dataset before training, or get a public one.

    Attributes:
        dataset: the dataset.
        download: get it from its public home first.
        output: folder of the chart, the sample pictures and summary.json.
    """

    dataset: Dataset
    download: bool
    output: str


@dataclass(kw_only=True)
class ExportRun:
    """`python export.py`: write a finished run in a format for devices.

    Attributes:
        run: a run folder, or "latest".
        export: the format.
    """

    run: str
    export: Exporter
