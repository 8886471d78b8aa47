import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from fer.base import Samples
from fer.evaluation import figures

HISTORY = [
    {
        "epoch": epoch,
        "stage": "head" if epoch < 2 else "all",
        "loss": 2 - 0.1 * epoch,
        "val_loss": 2 - 0.08 * epoch,
        "accuracy": 0.2 + 0.1 * epoch,
        "val_accuracy": accuracy,
        "learning_rate": 1e-3,
        "seconds": 2.5,
    }
    for epoch, accuracy in enumerate([0.2, 0.3, 0.5, 0.4])
]


class Recorder(np.ndarray):
    """An array that notes which rows were asked for."""

    def __getitem__(self, rows):
        self.asked = np.asarray(rows)
        return np.asarray(super().__getitem__(rows))


def faces(count: int, shape: tuple[int, ...] = (16, 16, 1), classes: int = 3) -> Samples:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (count, *shape), dtype=np.uint8).view(Recorder)
    names = [f"face {i}" for i in range(count)]
    return Samples(source=pixels, rows=np.arange(count), targets=rng.integers(0, classes, count), names=names)


def is_picture(path, least: int = 100) -> bool:
    with Image.open(path) as image:
        image.load()
        return image.format == "PNG" and min(image.size) >= least and len(image.convert("L").getcolors()) > 2


@pytest.mark.parametrize("count", [2, 7, 50])
def test_charts_of_any_number_of_classes(tmp_path, monkeypatch, count):
    monkeypatch.setattr(figures, "DPI", 100)
    names = [f"a rather long name of class {i}" for i in range(count)]
    counts = np.eye(count, dtype=int) * 9
    counts[0] = 1
    counts[-1] = 0  # a class without samples
    scores = {name: {"precision": 0.5, "recall": 0.6, "f1": 0.55, "samples": 1200} for name in names}
    scores[names[-1]] = {"precision": 0.0, "recall": 0.0, "f1": 0.0, "samples": 0}
    for normalised in (False, True):
        path = tmp_path / f"confusion_{normalised}.png"
        assert figures.confusion(path, counts.tolist(), names, normalised=normalised) == path
        assert is_picture(path, 200)
    assert is_picture(figures.per_class(tmp_path / "per_class.png", scores), 200)


def test_normalised_confusion_differs_from_counts(tmp_path):
    counts = [[50, 50], [1, 3]]
    figures.confusion(tmp_path / "a.png", counts, ["x", "y"], normalised=False)
    figures.confusion(tmp_path / "b.png", counts, ["x", "y"], normalised=True)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_names_are_not_taken_for_mathematics(tmp_path):
    names = [r"$\frac{", "<script>", "two\nlines", "$x$", "\udcff"]
    assert is_picture(figures.confusion(tmp_path / "a.png", np.eye(5).tolist(), names, normalised=False))


def test_curves_draw_a_panel_for_each_validated_metric_and_the_rate(tmp_path):
    def height(rows):
        with Image.open(figures.curves(tmp_path / "curves.png", rows)) as image:
            return image.height

    loss = [{key: row[key] for key in ("epoch", "loss", "val_loss")} for row in HISTORY]
    rate = [row | {"learning_rate": 0.1} for row in loss]
    assert height(loss) < height(rate) < height(HISTORY)  # 1, 2 and 3 panels; the seconds have none


@pytest.mark.parametrize(
    ("keys", "best"),
    [
        (("val_loss", "val_accuracy"), ("val_accuracy", 2)),
        (("val_loss",), ("val_loss", 3)),
        (("loss",), None),
    ],
)
def test_best_epoch(keys, best):
    assert figures._best([{key: row[key] for key in keys} for row in HISTORY]) == best


def test_curves_of_gaps_one_epoch_and_text(tmp_path):
    gaps = [{**HISTORY[0], "val_loss": None, "val_accuracy": ""}, {"epoch": "1", "loss": "nan", "val_loss": "1.5"}]
    assert is_picture(figures.curves(tmp_path / "gaps.png", gaps))
    assert is_picture(figures.curves(tmp_path / "one.png", HISTORY[:1]))
    assert is_picture(figures.curves(tmp_path / "never_validated.png", [{"epoch": 0, "loss": 1.0}]))


def test_predictions_show_confident_mistakes_first_and_read_only_what_they_show(tmp_path):
    samples = faces(200)
    probabilities = np.random.default_rng(1).dirichlet([1, 1, 1], 200)
    figures.predictions(tmp_path / "p.png", samples, probabilities, ["a", "b", "c"])
    asked = samples.source.asked
    wrong = probabilities.argmax(axis=1) != samples.targets
    assert len(asked) == 20
    assert wrong[asked].tolist() == [True] * 10 + [False] * 10
    assert probabilities[asked[0]].max() == probabilities[wrong].max()
    assert (np.diff(probabilities[asked[:10]].max(axis=1)) <= 0).all()


def test_predictions_frame_right_ones_green_and_wrong_ones_red(tmp_path):
    samples = faces(1, classes=1)
    for name, probabilities, colour in (("right", [[1, 0.0]], (0, 158, 115)), ("wrong", [[0.0, 1]], (213, 94, 0))):
        figures.predictions(tmp_path / name, samples, np.array(probabilities), ["a", "b"])
        with Image.open(tmp_path / name) as image:
            colours = {pixel: count for count, pixel in image.convert("RGB").getcolors(1 << 20)}
        assert colours.get(colour, 0) > 1000


@pytest.mark.parametrize(
    ("right", "wrong", "shown"), [(1, 0, 1), (0, 1, 1), (30, 0, 20), (0, 30, 20), (30, 2, 20), (2, 30, 20), (3, 4, 7)]
)
def test_predictions_fill_the_grid_with_what_there_is(tmp_path, right, wrong, shown):
    samples = faces(right + wrong, classes=1)
    probabilities = np.array([[0.9, 0.1]] * right + [[0.2, 0.8]] * wrong)
    figures.predictions(tmp_path / "p.png", samples, probabilities, ["a", "b"])
    assert len(set(samples.source.asked.tolist())) == shown


@pytest.mark.parametrize("shape", [(16, 16, 1), (16, 24, 3), (478, 3)])
def test_predictions_of_grey_colour_and_points(tmp_path, shape):
    samples = faces(3, shape)
    assert is_picture(figures.predictions(tmp_path / "p.png", samples, np.eye(3), ["a", "b", "c"]))


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (5, 5), (100, 12)])
def test_points_show_the_worst_face_first(tmp_path, count, shown):
    rng = np.random.default_rng(2)
    truth = rng.uniform(0, 16, (count, 68, 2)).astype(np.float32)
    truth[:, 36], truth[:, 45] = (4, 6), (12, 6)
    predicted = truth + np.linspace(0.1, 3, count)[:, None, None]
    images = faces(count, (16, 16, 3))
    samples = Samples(source=images.source, rows=images.rows, targets=truth, names=images.names)
    assert is_picture(figures.points(tmp_path / "points.png", samples, predicted))
    assert images.source.asked[0] == count - 1
    assert len(images.source.asked) == shown


def test_threads_draw_what_one_alone_draws(tmp_path):
    names = ["a", "b", "c"]

    def draw(number):
        return figures.confusion(tmp_path / f"{number}.png", np.eye(3).tolist(), names, normalised=True).read_bytes()

    alone = draw(0)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(draw, range(1, 5))) == {alone}


def test_failure_leaves_the_older_picture_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "c.png"
    path.write_bytes(b"older")
    monkeypatch.setattr(figures, "DPI", -1)
    with pytest.raises(ValueError, match="dpi"):
        figures.confusion(path, [[1]], ["a"], normalised=False)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("c.png", b"older")]


def test_needs_neither_pyplot_nor_keras():
    code = "import sys, fer.evaluation.report; print({'matplotlib.pyplot', 'keras', 'tensorflow'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"
