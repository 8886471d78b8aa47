"""Every YAML file composes and loads."""

import pytest

from fer import mesh_rows
from fer.config import CONF, RUNS, Variants, compose, recipe
from fer.help import help_text
from fer.mesh478 import POINTS
from fer.search.space import extremes, parse

GROUPS = [
    path
    for path in sorted(CONF.iterdir())
    if path.is_dir() and path.name not in ("experiment", "debug", "export", "mesh", "tuner", "hydra")
]
CHOICES = [(group.name, choice.stem) for group in GROUPS for choice in sorted(group.glob("*.yaml"))]
CHOICES.remove(("model", "compressed"))  # it begins with a finished run: tests/model/test_compressed.py
EXPERIMENTS = [path.stem for path in sorted((CONF / "experiment").glob("*.yaml"))]


ON_POINTS = ("dataset.input=landmarks",)


@pytest.fixture(autouse=True)
def _data(tmp_path, monkeypatch):
    """The smallest data that the file-based datasets find at their default paths."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/fer2013").mkdir(parents=True)
    (tmp_path / "data/fer2013/fer2013.csv").write_text("emotion,pixels,Usage\n")
    (tmp_path / "data/fer2013/fer2013new.csv").touch()
    for part in ("train_set", "val_set"):
        for name in ("images", "annotations"):
            (tmp_path / "data/affectnet" / part / name).mkdir(parents=True)
    columns = [*mesh_rows.FACTS, *(f"{axis}{point}" for point in range(POINTS) for axis in "xyz")]
    values = [("happy", "sad")[row] + ",,,,a.mp4,1,0,0,0," + ",".join(map(str, range(3 * POINTS))) for row in range(2)]
    for file in ("faces.csv", "fer2013_mesh.csv"):
        (tmp_path / "data" / file).write_text("\n".join([",".join(columns), *values, ""]))
    for expression in ("happy", "sad"):
        (tmp_path / "data/images/train" / expression).mkdir(parents=True)


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_choice_composes_and_loads(group, choice):
    needs = {
        ("model", "mobilenetv2"): ["model.weights=none"],
        **{("loss", loss): ["dataset.target=points"] for loss in ("mse", "wing", "adaptive_wing", "smooth_l1")},
        ("dataset", "ibug300w"): ["loss=wing"],
        ("dataset", "facemesh_csv"): ["model=landmark_cnn", "augmentation=landmarks"],
        **{("model", f"landmark_{name}"): [*ON_POINTS, "augmentation=landmarks"] for name in ("cnn", "mixer", "mlp")},
        ("augmentation", "landmarks"): [*ON_POINTS, "model=landmark_cnn"],
        ("dataset", "image_folder"): ["model.weights=none"],
    }
    run = compose("train", f"{group}={choice}", *needs.get((group, choice), []))
    assert run.choices == {}
    assert getattr(run, group) is not None


@pytest.mark.parametrize("preset", ["fast", "overfit_one_batch", "profile"])
def test_every_debug_preset_composes_and_loads(preset):
    run = compose("train", f"debug={preset}")
    assert (run.pipeline.take, run.training.profile) != ("all", False)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_and_loads(experiment):
    assert compose("train", f"experiment={experiment}").name == experiment


@pytest.mark.parametrize("choice", [path.stem for path in sorted((CONF / "export").glob("*.yaml"))])
def test_every_export_composes_and_loads(choice):
    assert compose("export", f"export={choice}").export is not None


@pytest.mark.parametrize("choice", [path.stem for path in sorted((CONF / "tuner").glob("*.yaml"))])
def test_every_tuner_composes_and_loads(choice):
    assert compose("tune", f"tuner={choice}").tuner is not None


@pytest.mark.parametrize("space", [path.stem for path in sorted((CONF / "tuner/space").glob("*.yaml"))])
def test_every_space_fits_the_model_that_its_name_begins_with(space):
    model = max((name for group, name in CHOICES if group == "model" and space.startswith(name)), key=len)
    words = [f"model={model}", "model.weights=none"]
    if model.startswith("landmark"):
        words += [*ON_POINTS, "augmentation=landmarks"]
    run = compose("tune", *words, f"tuner/space={space}")
    variants = Variants("train", words)
    for values in extremes(parse(run.tuner.space, {"model": model, "optimizer": "adamw"})):
        variants({"optimizer": "adamw", **values})


@pytest.mark.parametrize("name", sorted(RUNS))
def test_every_command_has_a_root_and_a_help_text(name):
    needs = {"combine": ["runs=[a,b]"], "verify": ["file=model.tflite"]}
    assert compose(name, *needs.get(name, [])) is not None
    text = help_text(CONF, name)
    assert len(text.splitlines()[0]) > 20
    assert "examples:" in text


@pytest.mark.parametrize(("group", "choice"), [*CHOICES, *(("experiment", name) for name in EXPERIMENTS)])
def test_every_file_says_in_its_first_comment_what_it_is(group, choice):
    lines = (CONF / group / f"{choice}.yaml").read_text().splitlines()
    line = lines[1] if "@package" in lines[0] else lines[0]
    assert line.startswith("# ")
    assert line.removeprefix("# ") in help_text(CONF, "train")


def test_the_path_is_the_registry():
    assert recipe("model", "mobilenetv2").__name__ == "MobileNetV2"
    assert recipe("dataset", "fer2013").__name__ == "Fer2013"
