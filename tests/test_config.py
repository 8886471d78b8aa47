import pytest
from hydra.errors import HydraException

from fer import config
from fer.errors import ConfigError


@pytest.fixture
def error(command, tmp_path):
    """Return what a command line is answered with."""

    def run(*words: str) -> str:
        done = command("train.py", *words)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1, "one line"
        assert not list(tmp_path.iterdir()), "nothing is left behind"
        return done.stderr.strip()

    return run


KNOWN = "(known: weights, input_size, filters, kernels, dropout, units)"
MODELS = ", ".join(sorted(path.stem for path in (config.CONF / "model").glob("*.yaml")))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["model.dropoot=0.1"],
            f"model.dropoot: unknown key in the command line; did you mean 'dropout'? {KNOWN}",
        ),
        (["+model.dropoot=0.1"], f"model.dropoot: unknown key; did you mean 'dropout'? {KNOWN}"),
        (["++model.dropoot=0.1"], f"model.dropoot: unknown key; did you mean 'dropout'? {KNOWN}"),
        (
            ["model.dropout=high"],
            "model.dropout: Value 'high' of type 'str' could not be converted to Float, in model.dropout=high",
        ),
        (["model.dropout=3"], "model.dropout: expected a value from 0 to 0.99, got 3.0"),
        (["model.kernels=[9,6]"], "model.kernels: expected one for each of the 3 filters, got 2"),
        (["model.kernels=[9,6,30]"], "model.kernels: [9, 6, 30] leave nothing of an image of 48 pixels"),
        (["model=cnn4"], f"model=cnn4: no such choice; did you mean 'cnn48'? (there are: {MODELS})"),
        (
            ["optimizer.schedule=cosin"],
            "optimizer.schedule: expected one of constant, cosine, plateau, got 'cosin'; did you mean 'cosine'?",
        ),
        (
            ["optimizer.schedule=plateau", "optimizer.warmup_epochs=2"],
            "optimizer.warmup_epochs: expected 0 with schedule=plateau, got 2.0",
        ),
        (["loss=mse"], "loss: compares points, but dataset synthetic has classes; choose loss=cross_entropy"),
        (
            ["dataset.target=points"],
            "loss: compares classes, but dataset synthetic has points; choose loss=mse",
        ),
        (
            ["dataset.target=points", "loss=mse", "training.balance=oversample"],
            "training.balance: expected none, since synthetic has no classes, got 'oversample'",
        ),
        (
            ["model=mobilenetv2", "training.epochs=5"],
            "model.head_epochs: expected fewer than the 5 training.epochs, got 5; lower it, raise training.epochs, "
            "or train the head alone with model.fine_tune=0",
        ),
        (["model.weights=no/such.h5"], "model.weights: no such file or folder: no/such.h5"),
        (["training.epochs=0"], "training.epochs: expected 1 or more, got 0"),
        (["seed=-1"], "seed: expected a value from 0 to 4294967295, got -1"),
        (["seed=null"], "seed: field 'seed' is not Optional, in seed=null"),
        (["name=${nothing.here}"], "hydra.run.dir: Interpolation key 'nothing.here' not found"),
        (
            ["augmentation.transforms=[{HorizontalFlop: {p: 1}}]"],
            "augmentation.transforms[0]: albumentations has no transform 'HorizontalFlop'; "
            "did you mean 'HorizontalFlip'?",
        ),
        (
            ["augmentation.transforms=[{HorizontalFlip: {pp: 1}}]"],
            "augmentation.transforms[0]: HorizontalFlip takes no 'pp'; did you mean 'p'? (known: p)",
        ),
    ],
)
def test_a_mistake_is_answered_in_one_line(error, words, text):
    assert error(*words) == f"error: {text}"


def test_a_mistake_at_the_root_suggests_the_group(error):
    assert error("modle=cnn48").startswith("error: modle: unknown key in the command line; did you mean 'model'?")


def test_a_transform_with_a_bad_value_names_it(error):
    text = error("augmentation.transforms=[{Affine: {rotate: much}}]")
    assert text.startswith("error: augmentation.transforms[0]: Affine: ")
    assert "rotate" in text
    assert "'much'" in text


@pytest.mark.parametrize("value", ["dropoot: 0.1", "dropout: high"])
def test_a_mistake_in_an_experiment_names_the_file(error, tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("mine")
    (folder / "experiment").mkdir()
    (folder / "experiment/mine.yaml").write_text(f"# @package _global_\n# mine\nmodel:\n  {value}\n")
    text = error("--config-dir", str(folder), "experiment=mine")
    key = value.split(":")[0]
    assert text.startswith(f"error: model.{key}: ")
    assert "experiment/mine.yaml" in text


def test_a_users_own_experiment_is_found(command, tmp_path):
    (tmp_path / "conf/experiment").mkdir(parents=True)
    (tmp_path / "conf/experiment/mine.yaml").write_text("# @package _global_\n# mine\nseed: 7\n")
    done = command("train.py", "--config-dir", "conf", "experiment=mine", "optimizer=sgd", "--cfg", "job")
    assert "\nseed: 7\n" in done.stdout
    assert "  nesterov: true\n" in done.stdout


def test_the_command_line_wins_over_the_experiment_and_the_experiment_over_the_group():
    assert config.compose("train").training.epochs == 30
    assert config.compose("train", "experiment=smoke").training.epochs == 1
    assert config.compose("train", "experiment=smoke", "training.epochs=2").training.epochs == 2


def test_interpolation_follows_what_it_points_at():
    run = config.compose("train", "model=cnn48", "model.input_size=64", "dataset.size=${model.input_size}")
    assert run.dataset.size == 64


def test_compose_refuses_like_the_command_line():
    with pytest.raises(ConfigError, match="did you mean 'dropout'"):
        config.compose("train", "+model.dropoot=1")
    with pytest.raises(HydraException):
        config.compose("train", "model.dropoot=1")


def test_restore_rebuilds_a_recipe_with_changes():
    dataset = config.compose("train").dataset
    again = config.restore("dataset", config.module_of(dataset), config.settings(dataset), {"train": 10})
    assert again.train == 10
    assert again.test == dataset.test
    with pytest.raises(ConfigError, match=r"^dataset\.trian: unknown key in .*; did you mean 'train'\?"):
        config.restore("dataset", "synthetic", config.settings(dataset), {"trian": 10})


def test_restore_knows_only_recipes():
    with pytest.raises(ConfigError, match=r"^recipe os is not one of the group dataset"):
        config.restore("dataset", "os", {}, {})
