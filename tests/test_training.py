import csv
import json
import logging
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from fer import checkpoint, fit, interruption, profile, training
from fer.artifact import RunFolder
from fer.config import compose
from fer.errors import ConfigError, Paused, RunError

TINY = (
    "model.input_size=24",
    "model.filters=[4]",
    "model.kernels=[3]",
    "model.units=[8]",
    "model.dropout=0.2",
    "dataset.size=24",
)
MOBILE = ("model=mobilenetv2", "model.alpha=0.35", "model.input_size=48", "model.units=8", "dataset.size=24")


def train(run):
    run.runtime.apply(run.seed)
    return training.train(run)


def rows(folder):
    return list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))


def without_time(folder):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows(folder)]


def weights(folder):
    return keras.models.load_model(folder / "model.keras", compile=False).get_weights()


def equal(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_run_leaves_a_folder_that_says_everything(smoke):
    result = train(smoke(*TINY, "training.epochs=2"))
    folder = RunFolder(result.folder)
    passport = folder.passport()
    assert [row["epoch"] for row in rows(result.folder)] == ["0", "1"]
    assert set(rows(result.folder)[0]) == {
        *("epoch", "stage", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds")
    }
    best = max(float(row["val_accuracy"]) for row in rows(result.folder))
    assert result.value == best == passport["monitor"]["value"]
    assert passport["monitor"]["name"] == "val_accuracy"
    assert passport["contract"]["output"]["classes"][3] == "happy"
    assert passport["splits"]["train"]["samples"] == 64
    assert len({split["fingerprint"] for split in passport["splits"].values()}) == 3
    assert passport["recipes"]["dataset"] == "synthetic"
    assert passport["config"]["model"]["filters"] == [4]
    assert passport["judged"] == "test"
    assert passport["metrics"]["accuracy"] == result.metrics["accuracy"]
    assert passport["versions"]["keras"] == keras.__version__
    assert (passport["backend"], passport["device"], passport["stopped"]) == ("tensorflow", "CPU", "epochs")
    names = {path.name for path in folder.report.iterdir()}
    assert {"report.html", "metrics.json", "confusion.png", "confusion_normalised.png", "curves.png"} <= names
    assert "test accuracy" in (result.folder / "run.log").read_text()


def test_the_saved_network_is_the_judged_one_and_carries_no_optimizer(smoke):
    run = smoke(*TINY, "training.epochs=3", "optimizer.learning_rate=0.01")
    result = train(run)
    network = keras.models.load_model(result.folder / "model.keras")
    assert not network.compiled
    samples = run.dataset.load("test")
    predicted = network.predict(samples.inputs(slice(None)), verbose=0).argmax(axis=1)
    assert np.mean(predicted == samples.targets) == pytest.approx(result.metrics["accuracy"])


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(smoke):
    settings = (*TINY, "training.epochs=2", "augmentation=light", "training.balance=oversample")
    first = train(smoke(*settings, folder="a")).folder
    again = train(smoke(*settings, "pipeline.workers=3", folder="b")).folder
    other = train(smoke(*settings, "seed=1", folder="c")).folder
    assert without_time(first) == without_time(again)
    assert equal(weights(first), weights(again))
    assert without_time(first) != without_time(other)


def test_a_run_stopped_between_epochs_ends_with_the_same_weights(smoke, monkeypatch):
    settings = (*TINY, "training.epochs=4", "augmentation=light", "optimizer.learning_rate=0.01")
    whole = train(smoke(*settings, folder="whole")).folder
    stopped = smoke(*settings, folder="stopped")
    crash_after(monkeypatch, epochs=2)
    with pytest.raises(SystemError):
        train(stopped)
    assert not RunFolder(Path(stopped.folder)).manifest.exists()
    monkeypatch.undo()
    resumed = train(stopped).folder
    assert equal(weights(whole), weights(resumed))
    assert without_time(whole) == without_time(resumed)


@pytest.mark.slow
def test_a_staged_run_stopped_in_its_second_stage_ends_with_the_same_weights(smoke, monkeypatch, base_weights):
    settings = (
        *MOBILE,
        f"model.weights={base_weights}",
        "model.head_epochs=2",
        "training.epochs=4",
        "dataset.train=32",
    )
    whole = train(smoke(*settings, folder="whole")).folder
    assert [row["stage"] for row in rows(whole)] == ["head", "head", "fine-tune", "fine-tune"]
    stopped = smoke(*settings, folder="stopped")
    crash_after(monkeypatch, epochs=3)
    with pytest.raises(SystemError):
        train(stopped)
    monkeypatch.undo()
    assert equal(weights(whole), weights(train(stopped).folder))


@pytest.mark.parametrize(
    "settings",
    [
        ("augmentation=light", "training.balance=class_balanced", "mixing.mixup=0.2"),
        (
            "augmentation=affine",
            "pipeline.on_device=true",
            "optimizer.ema=0.9",
            "optimizer.accumulate=2",
            "mixing.cutmix=1",
        ),
    ],
)
def test_a_run_asked_to_end_inside_an_epoch_ends_with_the_same_weights(smoke, monkeypatch, settings):
    settings = (*TINY, "training.epochs=3", "optimizer.learning_rate=0.01", "optimizer.layer_decay=0.9", *settings)
    whole = train(smoke(*settings, folder="whole")).folder
    stopped = smoke(*settings, folder="stopped")
    calls = iter(range(100))
    monkeypatch.setattr(interruption, "asked", lambda: next(calls) >= 6)  # 4 steps an epoch, and its end
    with pytest.raises(Paused) as caught:
        train(stopped)
    assert str(caught.value) == (
        "asked to end (SIGTERM); stopped after epoch 1, step 1; "
        f"`python train.py run={stopped.folder} resume=true` goes on with it"
    )
    monkeypatch.undo()
    resumed = train(stopped).folder
    assert equal(weights(whole), weights(resumed))
    assert without_time(whole) == without_time(resumed)


def test_a_run_pauses_after_as_many_epochs_as_it_is_told_and_goes_on(smoke):
    settings = (*TINY, "training.epochs=3")
    with pytest.raises(Paused, match=r"^training\.pause_after=1; stopped after epoch 1, step 0; "):
        train(smoke(*settings, "training.pause_after=1"))
    run = smoke(*settings, "training.pause_after=3", "resume=true")
    assert RunFolder(train(run).folder).passport()["epochs"] == 3
    with pytest.raises(RunError, match=r": holds a finished run; choose another folder with hydra\.run\.dir=$"):
        train(run)


def test_the_state_is_kept_inside_an_epoch_too(smoke, monkeypatch):
    written = []
    monkeypatch.setattr(checkpoint.Checkpoints, "_write", lambda self, progress, *_: written.append(progress["step"]))
    monkeypatch.setattr(checkpoint.Checkpoints, "best", lambda self: [])
    monkeypatch.setattr(checkpoint, "assign", lambda *_: None)
    train(smoke(*TINY, "training.checkpoint_minutes=1e-9"))
    assert written == [1, 2, 3, 0]


def test_a_resume_into_something_else_is_refused_unless_forced(smoke):
    settings = (*TINY, "training.epochs=2")
    with pytest.raises(Paused):
        train(smoke(*settings, "training.pause_after=1"))
    other = (*settings, "optimizer.learning_rate=0.01", "dataset.train=48", "pipeline.workers=2")
    with pytest.raises(RunError) as caught:
        train(smoke(*other))
    text = str(caught.value)
    assert ": holds a stopped run, and since its start there are changes: dataset.train was 64, is 48; " in text
    assert "optimizer.learning_rate was 0.001, is 0.01; splits.train.fingerprint was " in text
    assert "workers" not in text
    assert text.endswith(
        "; undo them, choose another folder with hydra.run.dir=, or go on all the same with force=true"
    )
    assert train(smoke(*other, "force=true")).folder


def test_resume_without_a_checkpoint_is_refused(smoke):
    with pytest.raises(
        RunError, match=r"resume=true, but there is no checkpoint to go on from; leave it out to begin$"
    ):
        train(smoke(*TINY, "resume=true"))


def test_out_of_memory_is_explained(smoke, monkeypatch):
    def exhausted(*_):
        raise MemoryError("Unable to allocate 80 GiB")

    monkeypatch.setattr(fit.Fit, "_run_stage", exhausted)
    with pytest.raises(RunError, match=r"^out of memory with training\.batch_size=16; try training\.batch_size=8 "):
        train(smoke(*TINY))


def test_a_student_learns_from_a_teacher(smoke):
    teacher = train(smoke(*TINY, folder="teacher")).folder
    student = smoke(*TINY, f"distill.teacher={teacher}", "distill.weight=1", "training.epochs=3", folder="student")
    assert train(student).metrics["samples"] == 32
    with pytest.raises(
        ConfigError, match=r"^distill\.teacher: expected shape \[32, 32, 1\] as in dataset synthetic, got"
    ):
        smoke(*TINY, f"distill.teacher={teacher}", "dataset.size=32")


def test_one_batch_is_learned_by_heart(smoke):
    run = smoke(
        *TINY, "model.dropout=0", "model.units=[32]", "debug=overfit_one_batch", "optimizer.learning_rate=0.01",
        "dataset.train=16", "training.epochs=60",
    )  # fmt: skip
    assert train(run).metrics["accuracy"] == 1.0


def test_a_profile_names_the_slowest_part(smoke):
    run = smoke(*TINY, "augmentation=light", "debug=profile")
    run.runtime.apply(run.seed)
    spent = profile.measure(run)
    assert set(spent) == {"read", "augment", "transfer", "step"}
    assert all(value > 0 for value in spent.values())
    assert f"slowest: {max(spent, key=spent.get)}; host " in profile.table(spent)


def crash_after(monkeypatch, epochs):
    """Let a training die of an error that it does not expect, right after an epoch was kept."""
    original = fit.Keeper.on_epoch_end

    def on_epoch_end(self, epoch, logs=None):
        original(self, epoch, logs)
        if epoch + 1 == epochs:
            raise SystemError

    monkeypatch.setattr(fit.Keeper, "on_epoch_end", on_epoch_end)


@pytest.fixture
def base_weights(tmp_path):
    """Weights for MobileNetV2's base, as a user has them in a file."""
    keras.utils.set_random_seed(5)
    base = keras.applications.MobileNetV2((48, 48, 3), alpha=0.35, include_top=False, pooling="avg", weights=None)
    file = tmp_path / "base.weights.h5"
    base.save_weights(file)
    return file


def test_the_head_is_trained_on_features_computed_once(smoke, base_weights, caplog):
    settings = (*MOBILE, f"model.weights={base_weights}", "model.fine_tune=0", "training.epochs=2")
    run = smoke(*settings)
    with caplog.at_level(logging.INFO, logger="fer"):
        logging.getLogger("fer").propagate = True
        result = train(run)
    assert "computing the features of the fixed trunk once" in caplog.text
    run.runtime.apply(run.seed)
    untrained = run.model.build(run.dataset.spec()).get_layer("trunk").get_weights()
    trained = keras.models.load_model(result.folder / "model.keras", compile=False).get_layer("trunk").get_weights()
    assert equal(untrained, trained)


@pytest.mark.slow
def test_features_are_not_cached_under_augmentation(smoke, base_weights, caplog):
    settings = (*MOBILE, f"model.weights={base_weights}", "model.fine_tune=0", "augmentation=light")
    with caplog.at_level(logging.INFO, logger="fer"):
        logging.getLogger("fer").propagate = True
        train(smoke(*settings))
    assert "computing the features" not in caplog.text


def test_patience_stops_and_the_best_epoch_is_kept(smoke):
    run = smoke(*TINY, "training.epochs=30", "training.patience=2", "optimizer.learning_rate=1e-9")
    result = train(run)
    passport = RunFolder(result.folder).passport()
    assert passport["stopped"] == "patience"
    assert passport["epochs"] == passport["best_epoch"] + 3 < 30


def test_plateau_lowers_the_rate(smoke):
    result = train(
        smoke(
            *TINY,
            "training.epochs=6",
            "optimizer=sgd",
            "optimizer.learning_rate=1e-9",
            "optimizer.schedule=plateau",
            "optimizer.plateau_patience=2",
        )
    )
    rates = [float(row["learning_rate"]) for row in rows(result.folder)]
    assert rates[0] == pytest.approx(1e-9)
    assert min(rates) == pytest.approx(rates[-1])
    assert rates[-1] <= 0.51e-9


def test_points_are_learned_too(smoke):
    result = train(smoke(*TINY, "dataset.target=points", "loss=mse", "training.epochs=2", "augmentation=light"))
    assert result.value == pytest.approx(min(float(row["val_nme"]) for row in rows(result.folder)))
    assert 0 < result.metrics["nme"] < 10
    assert (result.folder / "report/points.png").exists()


def test_a_loss_that_is_not_finite_stops_with_a_reason(smoke):
    run = smoke(*TINY, "optimizer=sgd", "optimizer.learning_rate=1e30", "training.epochs=3")
    with pytest.raises(RunError) as caught:
        train(run)
    assert str(caught.value).startswith("the loss is nan in epoch 1, step ")
    assert str(caught.value).endswith(
        "; lower optimizer.learning_rate, set optimizer.clip_norm, or use runtime.precision=float32"
    )
    assert not RunFolder(Path(run.folder)).manifest.exists()


def test_a_weights_file_that_does_not_fit_is_named(smoke, base_weights):
    run = smoke(*TINY, f"model.weights={base_weights}")
    with pytest.raises(ConfigError, match=r"^weights: .*base\.weights\.h5 does not fit cnn48: "):
        train(run)
    assert not RunFolder(Path(run.folder)).manifest.exists()


def test_training_goes_on_from_a_finished_runs_weights(smoke):
    first = train(smoke(*TINY, folder="first")).folder
    second = train(smoke(*TINY, f"model.weights={first}/model.keras", "optimizer.learning_rate=1e-12", folder="second"))
    before, after = weights(first), weights(second.folder)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(before, after, strict=True))


def test_no_test_split_means_that_validation_is_judged(smoke, tmp_path):
    from PIL import Image

    for expression in ("happy", "sad"):
        folder = tmp_path / "images/train" / expression
        folder.mkdir(parents=True)
        for number in range(10):
            level = np.full((24, 24), 20 * number + 10 * (expression == "sad"), np.uint8)
            Image.fromarray(level).save(folder / f"{number}.png")
    run = compose(
        "train",
        "dataset=image_folder",
        f"dataset.path={tmp_path}/images",
        "dataset.splits.test=none",
        *(word for word in TINY if not word.startswith("dataset")),
        "dataset.size=24",
        "training.epochs=1",
        "augmentation=none",
    )
    result = train(replace(run, folder=str(tmp_path / "run")))
    passport = json.loads((result.folder / "manifest.json").read_text())
    assert passport["judged"] == "validation"
    assert set(passport["splits"]) == {"train", "validation"}
