import csv
import json
import time
from html.parser import HTMLParser

import numpy as np
import pytest

from fer.base import DataSpec, Samples
from fer.errors import DataError, RunError
from fer.evaluation import figures, metrics, points, report

pytestmark = pytest.mark.usefixtures("coarse")

HOSTILE = "<script>alert('x')</script>"
CLASSES = ("angry", "happy", "sad")
HISTORY = [{"epoch": e, "stage": "all", "loss": 1.0, "val_loss": 1.0, "val_accuracy": 0.5} for e in range(3)]


@pytest.fixture
def coarse(monkeypatch):
    """Draw with few pixels, to save time where nobody looks at the figures."""
    monkeypatch.setattr(figures, "DPI", 30)


class Page(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data + "\n"

    def images(self) -> list[str]:
        return [attributes["src"] for tag, attributes in self.tags if tag == "img"]


def page(folder) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def classified(count: int = 30, classes: tuple[str, ...] = CLASSES, names=None, size: int = 12):
    rng = np.random.default_rng(0)
    return {
        "spec": DataSpec(name="toy", kind="image", shape=(size, size, 1), classes=classes),
        "split": "test",
        "samples": Samples(
            source=rng.integers(0, 255, (count, size, size, 1), dtype=np.uint8),
            rows=np.arange(count),
            targets=rng.integers(0, len(classes), count),
            names=names or [f"row {i}" for i in range(count)],
        ),
        "outputs": rng.dirichlet(np.ones(len(classes)), count).astype(np.float32),
        "history": HISTORY,
        "facts": {"command": "python train.py", "versions": {"keras": "3.15.0"}, "seed": 1},
    }


def regressed(count: int = 5):
    rng = np.random.default_rng(0)
    truth = rng.uniform(2, 30, (count, 68, 2)).astype(np.float32)
    return classified(count) | {
        "spec": DataSpec(name="points", kind="image", shape=(32, 32, 3), points=68),
        "samples": Samples(
            source=rng.integers(0, 255, (count, 32, 32, 3), dtype=np.uint8),
            rows=np.arange(count),
            targets=truth,
            names=[f"row {i}" for i in range(count)],
        ),
        "outputs": truth + rng.normal(0, 0.3, truth.shape).astype(np.float32),
    }


def rows(folder) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_classification_writes_everything(tmp_path):
    run = classified()
    scores = report.write(tmp_path / "report", **run)
    assert sorted(file.name for file in (tmp_path / "report").iterdir()) == [
        "MODEL_CARD.md",
        "calibration.png",
        "confused.png",
        "confusion.png",
        "confusion_normalised.png",
        "curves.png",
        "metrics.json",
        "per_class.png",
        "predictions.csv",
        "predictions.png",
        "report.html",
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["report"]
    plain = metrics.classification(run["outputs"].astype(float), run["samples"].targets, CLASSES)
    assert {name: scores[name] for name in plain} == plain
    assert sorted(set(scores) - set(plain)) == ["calibration", "intervals", "selective"]
    record = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert record == {"split": "test", "metrics": scores, "predictions": "predictions.csv"}


def test_predictions_of_classes(tmp_path):
    run = classified()
    report.write(tmp_path / "report", **run)
    table = rows(tmp_path / "report")
    assert list(table[0]) == ["name", "true", "predicted", "confidence", "p_angry", "p_happy", "p_sad"]
    assert [row["name"] for row in table] == list(run["samples"].names)
    assert [row["true"] for row in table] == [CLASSES[label] for label in run["samples"].targets]
    assert [row["predicted"] for row in table] == [CLASSES[label] for label in run["outputs"].argmax(axis=1)]
    written = np.array([[float(row[f"p_{name}"]) for name in CLASSES] for row in table])
    assert written == pytest.approx(run["outputs"], abs=1e-6)
    assert [float(row["confidence"]) for row in table] == pytest.approx(written.max(axis=1))


@pytest.mark.parametrize("shape", [(5, 136), (5, 68, 2)])
def test_points_in_either_shape(tmp_path, shape):
    run = regressed()
    scores = report.write(tmp_path / "report", **run | {"outputs": run["outputs"].reshape(shape)})
    plain = points.landmarks(run["outputs"], run["samples"].targets)
    assert {name: scores[name] for name in plain} == plain
    low, high = scores["intervals"]["nme"]
    assert low <= scores["nme"] <= high
    names = sorted(file.name for file in (tmp_path / "report").iterdir())
    assert names == [
        "MODEL_CARD.md",
        "ced.png",
        "curves.png",
        "metrics.json",
        "points.png",
        "predictions.csv",
        "report.html",
    ]
    table = rows(tmp_path / "report")
    assert list(table[0]) == ["name", "nme"]
    assert np.mean([float(row["nme"]) for row in table]) == pytest.approx(scores["nme"], abs=1e-6)
    assert f"{100 * scores['nme']:.2f}%" in page(tmp_path / "report").text


def test_page_shows_score_interval_classes_and_facts(tmp_path):
    scores = report.write(tmp_path / "report", **classified())
    text = page(tmp_path / "report").text
    low, high = scores["accuracy_interval"]
    assert f"{100 * scores['accuracy']:.1f}%\n" in text
    assert f"95% interval {100 * low:.1f}% to\n{100 * high:.1f}%" in text
    for word in (*CLASSES, "python train.py", "keras", "3.15.0", "seed"):
        assert f"{word}\n" in text


def test_page_needs_nothing_from_elsewhere(tmp_path):
    report.write(tmp_path / "report", **classified())
    shown = page(tmp_path / "report")
    assert len(shown.images()) == 7
    assert all(source.startswith("data:image/png;base64,iVBOR") for source in shown.images())
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in shown.tags}
    assert not [attributes for _, attributes in shown.tags if "href" in attributes]
    html = (tmp_path / "report" / "report.html").read_text()
    assert "default-src 'none'" in html
    assert "http://" not in html
    assert "https://" not in html


def test_hostile_text_is_escaped_everywhere(tmp_path):
    run = classified(classes=(HOSTILE, '"><img src=x onerror=alert(1)>', "$x$"), names=[HOSTILE] * 30)
    run["spec"] = DataSpec(name=HOSTILE, kind="image", shape=(12, 12, 1), classes=run["spec"].classes)
    facts = {HOSTILE: HOSTILE, "nested": {HOSTILE: {HOSTILE: [HOSTILE, 1]}}}
    report.write(tmp_path / "report", **run | {"facts": facts, "split": HOSTILE})
    shown = page(tmp_path / "report")
    assert "script" not in {tag for tag, _ in shown.tags}
    assert not [attributes for _, attributes in shown.tags if "onerror" in attributes]
    assert shown.text.count(HOSTILE) >= 10  # title, headings, classes, file names and facts say it as text
    assert rows(tmp_path / "report")[0]["name"] == HOSTILE


def test_names_that_are_not_unicode(tmp_path):
    report.write(tmp_path / "report", **classified(names=["photo\udcff.png"] * 30))
    assert rows(tmp_path / "report")[0]["name"] == r"photo\udcff.png"
    assert r"photo\udcff.png" in page(tmp_path / "report").text


def test_without_history_or_facts(tmp_path):
    report.write(tmp_path / "report", **classified() | {"history": [], "facts": {}})
    assert not (tmp_path / "report" / "curves.png").exists()
    assert "The run" not in page(tmp_path / "report").text


def test_facts_that_are_empty(tmp_path):
    report.write(tmp_path / "report", **classified() | {"facts": {"none": None, "mapping": {}, "list": [], "zero": 0}})
    text = page(tmp_path / "report").text
    assert text.count("–\n") == 3
    assert "zero\n0\n" in text


@pytest.mark.parametrize("count", [2, 50])
def test_one_sample_of_any_number_of_classes(tmp_path, count):
    run = classified(1, tuple(f"class {i}" for i in range(count)))
    scores = report.write(tmp_path / "report", **run)
    assert scores["samples"] == 1
    assert sum(entry["samples"] for entry in scores["per_class"].values()) == 1


def test_rows_of_a_larger_source(tmp_path):
    run = classified(30)
    every = run["samples"]
    part = Samples(source=every.source, rows=np.array([7, 3]), targets=every.targets[[7, 3]], names=every.names)
    report.write(tmp_path / "report", **run | {"samples": part, "outputs": run["outputs"][[7, 3]]})
    assert [row["name"] for row in rows(tmp_path / "report")] == ["row 7", "row 3"]


def test_older_report_is_replaced_whole(tmp_path):
    report.write(tmp_path / "report", **classified())
    report.write(tmp_path / "report", **regressed())
    assert not (tmp_path / "report" / "confusion.png").exists()
    assert (tmp_path / "report" / "points.png").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["report"]


def test_empty_folder_is_taken(tmp_path):
    (tmp_path / "report").mkdir()
    report.write(tmp_path / "report", **classified())
    assert (tmp_path / "report" / "report.html").exists()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_something_else_is_not_replaced(tmp_path, kind):
    folder = tmp_path / "thesis"
    precious = folder / "chapter.txt" if kind == "folder" else folder
    precious.parent.mkdir(exist_ok=True)
    precious.write_text("years")
    with pytest.raises(RunError) as error:
        report.write(folder, **classified())
    assert str(error.value) == f"{folder}: expected a report or nothing, found something else; choose another folder"
    assert precious.read_text() == "years"
    assert [file.name for file in tmp_path.iterdir()] == ["thesis"]


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"^\S+/file/report: the report cannot be written: \[Errno 20\] Not a directory"):
        report.write(tmp_path / "file" / "report", **classified())


@pytest.mark.parametrize(("make", "name"), [(classified, "toy"), (regressed, "points")])
def test_nan_names_the_sample_and_leaves_the_older_report(tmp_path, make, name):
    report.write(tmp_path / "report", **make())
    before = (tmp_path / "report" / "metrics.json").read_bytes()
    run = make()
    run["outputs"][3].flat[1], run["outputs"][4].flat[0] = np.nan, np.inf
    with pytest.raises(DataError) as error:
        report.write(tmp_path / "report", **run)
    assert str(error.value) == (
        f"{name}, test: the outputs hold NaN or infinity for 2 of {len(run['samples'])} samples, "
        "first in sample row 3; the training diverged (try a lower optimizer.learning_rate) or that input is damaged"
    )
    assert (tmp_path / "report" / "metrics.json").read_bytes() == before


def test_failure_half_way_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="could not convert string to float"):
        report.write(tmp_path / "report", **classified() | {"history": [{"epoch": 0, "loss": "low"}]})
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_do_not_fit(tmp_path):
    run = classified()
    with pytest.raises(ValueError, match=r"^outputs: expected \(30, 3\) for toy, got \(30, 2\)$"):
        report.write(tmp_path / "report", **run | {"outputs": run["outputs"][:, :2]})


def test_is_quick(tmp_path, monkeypatch):
    monkeypatch.undo()  # with all their pixels
    run = classified(3589, ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"), size=48)
    start = time.process_time()  # not the wall: others may be at work on the machine
    report.write(tmp_path / "report", **run)
    assert time.process_time() - start < 15
