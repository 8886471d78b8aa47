"""The settings of `python train.py`, and the checks that span several groups."""

from dataclasses import dataclass, field
from typing import Any

from fer import artifact, check
from fer.base import Augmentation, Dataset, DataSpec, Loss, Model, Optimizer, Tracker
from fer.errors import ConfigError
from fer.mixing import Mixing
from fer.runtime import Runtime

NOUNS = {"image": "images", "landmarks": "landmarks"}


@dataclass(kw_only=True)
class Training:
    """How long and how.

    Attributes:
        epochs: at most, over all stages of the model.
        batch_size: samples a step.
        patience: epochs without a better monitored value before the training (or a stage of it) stops; 0 never stops.
        balance: what is done about unequal classes: "none"; "class_weights" (losses weighted by
            n / (classes * n_class)); "class_balanced" (by the effective number of samples, Cui et al. 2019); or
            "oversample" (every class drawn as often as the largest).
        beta: of "class_balanced", in [0, 1): 0 weighs all alike, near 1 as "class_weights".
        checkpoint_minutes: besides each epoch's end, how often the state is kept for a resume; 0 for never.
        pause_after: stop after so many epochs in all, with exit code 75, so that a resume goes on; 0 for never.
        profile: time the parts of a step in place of a training.
        progress: "bar", "lines" (one an epoch, for logs), "none", or "auto" (a bar on a terminal, lines elsewhere).
    """

    epochs: int
    batch_size: int
    patience: int
    balance: str
    beta: float
    checkpoint_minutes: float
    pause_after: int
    profile: bool
    progress: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "epochs", 1)
        check.at_least(self, "batch_size", 1)
        check.at_least(self, "patience", 0)
        check.one_of(self, "balance", ("none", "class_weights", "class_balanced", "oversample"))
        check.between(self, "beta", 0, 0.9999999)
        check.at_least(self, "checkpoint_minutes", 0)
        check.at_least(self, "pause_after", 0)
        check.one_of(self, "progress", ("auto", "bar", "lines", "none"))


@dataclass(kw_only=True)
class Pipeline:
    """How samples get to the device.

    Attributes:
        workers: threads that prepare batches; the batches are the same for any number.
        on_device: put all images on the device once, and change them there, inside the compiled step. For data that
            fit in its memory; with augmentation=affine or none.
        take: "all"; "one_batch" of each split; or "same_batch", one of the training images in place of every split.
    """

    workers: int
    on_device: bool
    take: str

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "workers", 1)
        check.one_of(self, "take", ("all", "one_batch", "same_batch"))


@dataclass(kw_only=True)
class Distill:
    """Learning from another run's outputs (Hinton et al. 2015, arXiv:1503.02531).

    Attributes:
        teacher: a finished run's folder; null for none.
        temperature: divides the logits of both before they are compared, 1 or more.
        weight: of the teacher in the loss, in [0, 1]; the targets have the rest.
    """

    teacher: str | None
    temperature: float
    weight: float

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "temperature", 1)
        check.between(self, "weight", 0, 1)

    def check(self, spec: DataSpec) -> None:
        """Demand a teacher of the same inputs and classes.

        Raises:
            FerError: it is not a finished run, or of other data.
        """
        if not self.teacher:
            return
        theirs, ours = artifact.find(self.teacher).passport()["contract"], artifact.contract(spec)
        for side, key in (("output", "classes"), ("input", "shape")):
            if theirs[side][key] != ours[side][key] or spec.target != "classes":
                expected, got = ours[side][key], theirs[side][key]
                raise ConfigError(f"distill.teacher: expected {key} {expected} as in dataset {spec.name}, got {got}")

    def load(self) -> tuple[Any, float, float] | None:
        """Return (network, temperature, weight), or None without a teacher."""
        if not self.teacher:
            return None
        from fer.nn.weights import load_network

        network = load_network(artifact.find(self.teacher).model)
        return network, self.temperature, self.weight


@dataclass(kw_only=True)
class TrainRun:
    """`python train.py`: train a model on a dataset, judge it, and leave a run folder.

    Attributes:
        name: the end of the run folder's name, and the name in the tracker.
        seed: of weights, dropout, batch order and augmentation. A dataset's split has a seed of its own.
        resume: demand that the folder holds a stopped run; without it, one that is there is gone on with too.
        force: go on with it although settings, data or code have changed since.
        folder: where the run is written; Hydra sets it, from `hydra.run.dir`.
        choices: the choice of each group; Hydra sets it too, and
        overrides: the words of the command line.
    """

    name: str
    seed: int
    dataset: Dataset
    model: Model
    loss: Loss
    augmentation: Augmentation
    optimizer: Optimizer
    training: Training
    pipeline: Pipeline
    mixing: Mixing
    distill: Distill
    tracker: Tracker
    runtime: Runtime
    resume: bool
    force: bool
    folder: str = ""
    choices: dict[str, Any] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check that the model and the loss fit the data, before anything heavy is loaded."""
        check.between(self, "seed", 0, 2**32 - 1)
        spec = self.dataset.spec()
        if spec.kind != self.model.kind:
            takes, has = (NOUNS[kind] for kind in (self.model.kind, spec.kind))
            found = ", or dataset=facemesh_csv with what `python -m fer extract` finds in them"
            raise ConfigError(
                f"model: takes {takes}, but dataset {spec.name} has {has}; "
                f"choose another{found if has == NOUNS['image'] else ''}"
            )
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
        if spec.target == "points" and self.mixing.labels:
            raise ConfigError(f"mixing: expected mixup and cutmix to be 0, since {spec.name} has no classes")
        if spec.kind != "image" and (self.mixing.cutmix or self.mixing.erasing or self.pipeline.on_device):
            raise ConfigError(
                f"mixing.cutmix, mixing.erasing, pipeline.on_device: take images, but dataset {spec.name} has "
                f"{NOUNS[spec.kind]}; leave them out"
            )
        if self.pipeline.on_device:
            self.augmentation.on_device(spec)
        self.distill.check(spec)
        if spec.kind not in self.augmentation.kinds():
            other = {"image": "light, points", "landmarks": "landmarks"}[spec.kind]
            raise ConfigError(
                f"augmentation: changes {NOUNS[self.augmentation.kinds()[0]]}, but dataset {spec.name} has "
                f"{NOUNS[spec.kind]}; choose augmentation={other} or none"
            )
        self.model.stages(self.training.epochs)
