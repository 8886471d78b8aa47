import numpy as np
import pytest

from fer.base import DataSpec, Samples
from fer.errors import DataError
from fer.evaluation import mapping

FER2013 = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
AFFECTNET8 = ("Neutral", "Happiness", "Sadness", "Surprise", "Fear", "Disgust", "Anger", "Contempt")


def spec(*classes: str) -> DataSpec:
    return DataSpec(name="wild", kind="image", shape=(8, 8, 1), classes=classes)


def samples(labels: list[int]) -> Samples:
    return Samples(
        source=np.zeros((20, 8, 8, 1), np.uint8),
        rows=np.arange(len(labels)),
        targets=np.array(labels),
        names=[f"face {i}" for i in range(20)],
    )


def test_synonyms_in_another_order_are_found():
    task = mapping.mapped(FER2013, spec(*AFFECTNET8), "drop")
    assert task.spec.classes == FER2013
    judged = task.samples(samples([0, 7, 1, 6, 7]))  # Neutral, Contempt, Happiness, Anger, Contempt
    assert [FER2013[label] for label in judged.targets] == ["neutral", "happy", "angry"]
    assert judged.rows.tolist() == [0, 2, 3]


def test_a_class_that_the_network_does_not_know_stops():
    with pytest.raises(DataError) as error:
        mapping.mapped(FER2013, spec(*AFFECTNET8), "stop")
    assert str(error.value) == (
        "classes: wild has Contempt, which the network does not know (it knows angry, disgust, fear, happy, sad, "
        "surprise, neutral); leave those samples out with unmapped=drop, or rename the classes"
    )


def test_outputs_of_classes_that_the_data_lack_do_not_count():
    task = mapping.mapped(FER2013, spec("happiness", "anger"), "stop")
    assert task.spec.classes == ("angry", "happy")
    outputs = np.array([[0.1, 0, 0, 0.3, 0, 0, 0.6], [0.2, 0.8, 0, 0, 0, 0, 0]])
    np.testing.assert_allclose(task.decode(outputs), [[0.25, 0.75], [1, 0]])
    assert task.samples(samples([0, 1])).targets.tolist() == [1, 0]


def test_training_labels_are_told_in_shared_classes():
    task = mapping.mapped(FER2013, spec("happiness", "anger"), "stop")
    assert task.known(samples([3, 0, 6])).targets.tolist() == [1, 0, -1]


def test_soft_labels_are_judged_by_their_majority():
    task = mapping.mapped(FER2013, spec(*AFFECTNET8), "drop")
    votes = np.eye(8)[[7, 1]] * 0.8 + 0.02
    soft = Samples(source=np.zeros((2, 8, 8, 1), np.uint8), rows=np.arange(2), targets=votes, names=["a", "b"])
    assert [FER2013[label] for label in task.samples(soft).targets] == ["happy"]


@pytest.mark.parametrize(("classes", "text"), [(("joy", "happy", "sad"), "wild has happy under two names")])
def test_two_names_of_one_class(classes, text):
    with pytest.raises(DataError, match=rf"^classes: {text}; rename one of them$"):
        mapping.mapped(FER2013, spec(*classes), "drop")


def test_nothing_in_common():
    with pytest.raises(DataError, match=r"^classes: wild has cat, dog, which the network does not know"):
        mapping.mapped(FER2013, spec("cat", "dog", "sad"), "drop")
