"""The typed whole of each command, and the checks that span several groups."""

from dataclasses import dataclass, field
from typing import Any

from fer import artifact, check, quality
from fer.base import SPLITS, Augmentation, Dataset, DataSpec, Exporter, Loss, Model, Optimizer, Tracker, Tuner
from fer.errors import ConfigError
from fer.landmarks import FaceMesh
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


@dataclass(kw_only=True)
class TuneRun(TrainRun):
    """`python tune.py`: search for better settings of a training.

    Attributes:
        tuner: how.
    """

    tuner: Tuner


@dataclass(kw_only=True)
class EvaluateRun:
    """`python -m fer evaluate`: judge a finished run on any split again.

    Attributes:
        run: a run folder, or "latest".
        split: "train", "validation" or "test".
        dataset: changes to the run's own dataset settings, such as `dataset.path=/elsewhere`.
        output: where the report goes; by default `report` (the test split) or `report_<split>` in the run folder.
        tta: test-time augmentation: "none", "flip" or "ten" (see fer.evaluation.views); the report says so.
        batch_size: samples at a time.
        other: another dataset (its name in conf/dataset/), which `dataset` then changes; "none" for the run's own.
        unmapped: what is done about classes of another dataset that the network does not know: "stop", or "drop" them.
        robustness: how many images are judged under seven corruptions at five severities too; 0 for none.
        runtime: backend and device.
    """

    run: str
    split: str
    tta: str
    dataset: dict[str, Any] = field(default_factory=dict)
    output: str | None
    batch_size: int
    other: str
    unmapped: str
    robustness: int
    runtime: Runtime

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.one_of(self, "split", SPLITS)
        check.one_of(self, "tta", ("none", "flip", "ten"))
        check.at_least(self, "batch_size", 1)
        check.one_of(self, "unmapped", ("stop", "drop"))
        check.at_least(self, "robustness", 0)


@dataclass(kw_only=True)
class CombineRun:
    """`python -m fer combine`: several finished runs as one.

    Attributes:
        runs: their folders, two or more.
        by: "outputs" (an ensemble) or "weights" (their mean).
        name: of the new run.
        batch_size: samples at a time.
        runtime: backend and device.
        folder: where the new run is written; Hydra sets it.
        choices: set with it, and
        overrides: the words of the command line.
    """

    runs: list[str]
    by: str
    name: str
    batch_size: int
    runtime: Runtime
    folder: str = ""
    choices: dict[str, Any] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Check the ranges."""
        if len(self.runs) < 2:
            raise ConfigError(f"runs: expected two or more, got {self.runs}; give them as runs=[outputs/a,outputs/b]")
        check.one_of(self, "by", ("outputs", "weights"))
        check.at_least(self, "batch_size", 1)


@dataclass(kw_only=True)
class BoxesRun:
    """`python -m fer boxes`: judge a run's facial points with face boxes that are moved and scaled.

    Attributes:
        run: a run folder, or "latest".
        split: "train", "validation" or "test".
        shares: of the box's side, 0 to 0.5: boxes are shifted, scaled, and both, at random by up to each.
        dataset: changes to the run's own dataset settings, such as `dataset.path=/elsewhere`.
        batch_size: samples at a time.
        runtime: backend and device.
    """

    run: str
    split: str
    shares: list[float]
    dataset: dict[str, Any] = field(default_factory=dict)
    batch_size: int
    runtime: Runtime

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.one_of(self, "split", SPLITS)
        check.at_least(self, "batch_size", 1)
        if not all(0 <= share <= 0.5 for share in self.shares):
            raise ConfigError(f"shares: expected values from 0 to 0.5, got {self.shares}")


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
class AuditRun:
    """`python -m fer audit`: find what makes scores on a dataset doubtful.

    Attributes:
        dataset: images.
        near: correlation from which two images are near copies (see fer.evaluation.copies.NEAR).
        output: folder of audit.html and audit.json.
    """

    dataset: Dataset
    near: float
    output: str

    def __post_init__(self) -> None:
        """Check the range."""
        check.between(self, "near", 0.5, 1)


@dataclass(kw_only=True)
class NoiseRun:
    """`python -m fer noise`: find labels that are probably wrong, by networks that did not train on them.

    Attributes:
        runs: a run folder, "latest", or a folder of runs that are folds of one another
            (dataset.splits.validation=1/5,2/5,...).
        shown: how many of the worst are put on the page.
        output: folder of suspects.json and review.html.
        batch_size: samples at a time.
        runtime: backend and device.
    """

    runs: str
    shown: int
    output: str
    batch_size: int
    runtime: Runtime

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.between(self, "shown", 1, 2000)
        check.at_least(self, "batch_size", 1)


@dataclass(kw_only=True)
class Gate:
    """What an exported file must keep of the network's score.

    Attributes:
        split: what it is judged on: "validation", "test", or "judged", which is what the run itself was judged on.
        accuracy_drop: percentage points of accuracy that may be lost.
        nme_rise: percentage points that the normalised mean error of points may rise.
        resamples: of the paired bootstrap.
        seed: of the bootstrap.
    """

    split: str
    accuracy_drop: float
    nme_rise: float
    resamples: int
    seed: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.one_of(self, "split", ("judged", "validation", "test"))
        check.at_least(self, "accuracy_drop", 0)
        check.at_least(self, "nme_rise", 0)
        check.at_least(self, "resamples", 100)
        check.at_least(self, "seed", 0)


@dataclass(kw_only=True)
class ExportRun:
    """`python export.py`: write a finished run in formats for devices, and prove what they are worth.

    Attributes:
        run: a run folder, or "latest".
        export: the format, or all of them.
        gate: what a file must keep of the score.
        licence: of the weights, as the file will say it.
        dataset: changes to the run's own dataset settings, such as `dataset.path=/elsewhere`.
        tracker: where the results are reviewed.
        runtime: backend and device; TFLite needs TensorFlow.
    """

    run: str
    export: Exporter
    gate: Gate
    licence: str
    dataset: dict[str, Any] = field(default_factory=dict)
    tracker: Tracker
    runtime: Runtime

    def __post_init__(self) -> None:
        """Check that the converter can run."""
        if self.runtime.backend != "tensorflow":
            raise ConfigError(
                f"runtime: expected tensorflow, whose converter writes the files, got {self.runtime.backend}; "
                "a network that was trained on JAX is exported with runtime=tensorflow, too"
            )


@dataclass(kw_only=True)
class VerifyRun:
    """`python -m fer verify`: prove that an exported file still is what was exported.

    Attributes:
        file: the .tflite; `python -m fer verify model.tflite` sets it.
    """

    file: str


@dataclass(kw_only=True)
class CompareRun:
    """`python -m fer compare`: two finished runs or more beside each other.

    Attributes:
        runs: folders of runs, of sweeps and of searches; of the latter, all finished runs.
        output: folder of compare.html, its tables and pictures.
    """

    runs: list[str]
    output: str


@dataclass(kw_only=True)
class PipelineRun:
    """`python -m fer pipeline`: prepare, tune, train, evaluate and export, from one config.

    Attributes:
        settings: what is said of training and search, such as "model=cnn48".
        stages: name -> {command, needs, makes}, or null. In a command, {folder} is `output`; {settings} are all
            settings; {dataset} those of the dataset; {best} what the stage "tune" found, or without one all settings
            but the tuner's. `makes`, where a stage cannot be repeated, is the file that it writes last.
        output: the pipeline's folder: a log for each stage, state.json, and what the stages write.
    """

    settings: list[str]
    stages: dict[str, Any]
    output: str

    def __post_init__(self) -> None:
        """Check that each stage is complete."""
        for name, stage in self.stages.items():
            if stage and set(stage) - {"makes"} != {"command", "needs"}:
                raise ConfigError(
                    f"stages.{name}: expected command, needs and perhaps makes, got {', '.join(map(str, stage))}"
                )


@dataclass(kw_only=True)
class BenchmarkRun:
    """`python -m fer benchmark`: time and memory of exported files.

    Attributes:
        run: a run folder, or "latest".
        file: one .tflite instead of a run's.
        threads: numbers of threads to measure with.
        repeats: how often each thing is timed.
        frame: an image with a face, for the way from the frame to the label; null for the networks alone.
        faces: what finds the face (see fer.device.faces.detector).
        output: the folder of the results.
    """

    run: str
    file: str | None
    threads: list[int]
    repeats: int
    frame: str | None
    faces: str
    output: str | None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.between(self, "repeats", 5, 100_000)
        if not self.threads or min(self.threads) < 1:
            raise ConfigError(f"threads: expected numbers of 1 or more, got {self.threads}")
        for field_name in ("file", "frame"):
            if getattr(self, field_name) is not None:
                check.exists(self, field_name)


@dataclass(kw_only=True)
class GraphRun:
    """`python -m fer graph`: draw a run's network.

    Attributes:
        run: a run folder, or "latest".
        output: the files' path without suffix.
    """

    run: str
    output: str | None


@dataclass(kw_only=True)
class Crop:
    """How a face is cut out.

    Attributes:
        size: height and width in pixels, 16 to 1024.
        margin: added at each side, as a part of the face's box.
        colour: RGB, else grey.
    """

    size: int
    margin: float
    colour: bool

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.between(self, "size", 16, 1024)
        check.between(self, "margin", 0, 2)


@dataclass(kw_only=True)
class ExtractRun:
    """`python -m fer extract`: an image dataset to face landmarks, or to aligned face crops.

    Attributes:
        dataset: images with classes.
        mesh: the face mesh.
        crops: write face crops as an image folder, in place of landmarks.
        crop: what they are like.
        workers: processes, 1 or more.
        output: the .csv or .csv.gz file to write, or the folder of the crops; null for a name below outputs/extract.
    """

    dataset: Dataset
    mesh: FaceMesh
    crops: bool
    crop: Crop
    workers: int
    output: str | None

    def __post_init__(self) -> None:
        """Check the ranges."""
        check.at_least(self, "workers", 1)
        if self.output and self.crops == self.output.endswith((".csv", ".csv.gz")):
            kind = "a folder for the crops" if self.crops else "a name that ends in .csv or .csv.gz"
            raise ConfigError(f"output: expected {kind}, got {self.output}")


@dataclass(kw_only=True)
class CaptureRun:
    """`python -m fer capture`: label expressions before a camera, or in a video, as rows of landmarks.

    Attributes:
        source: the number of a camera, or a video file.
        output: a .csv file, which is made or gone on with.
        classes: names, one to ten; key 0 records the first.
        label: the class to record while no key is held; needed without a display.
        display: show a window and take keys.
        subject: who is seen; a data set is split by it.
        session: the recording; by default the time of its start.
        mesh: the face mesh. With `mesh.faces=1` a second face in the picture goes unnoticed.
        gate: how good a frame must be.
    """

    source: str
    output: str
    classes: list[str]
    label: str | None
    display: bool
    subject: str
    session: str
    mesh: FaceMesh
    gate: quality.Gate

    def __post_init__(self) -> None:
        """Check what fits together."""
        if not self.output.endswith(".csv"):
            raise ConfigError(f"output: expected a name that ends in .csv, got {self.output}")
        if not 1 <= len(set(self.classes)) == len(self.classes) <= 10:
            raise ConfigError(f"classes: expected one to ten different names, got {self.classes}")
        if self.label is not None:
            check.one_of(self, "label", self.classes)
        elif not self.display:
            raise ConfigError(f"label: needed with display=false: one of {', '.join(self.classes)}")
