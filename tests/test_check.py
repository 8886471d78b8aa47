from dataclasses import dataclass

import pytest

from fer import check
from fer.errors import ConfigError


@dataclass
class Recipe:
    rate: float = 0.5
    kind: str = "cosine"
    path: str = "nowhere/at/all"
    file: str | None = __file__


@pytest.mark.parametrize(
    ("demand", "text"),
    [
        (lambda recipe: check.between(recipe, "rate", 1, 2), "rate: expected a value from 1 to 2, got 0.5"),
        (lambda recipe: check.at_least(recipe, "rate", 1), "rate: expected 1 or more, got 0.5"),
        (lambda recipe: check.above(recipe, "rate", 0.5), "rate: expected more than 0.5, got 0.5"),
        (
            lambda recipe: check.one_of(recipe, "kind", ("cosin", "plateau")),
            "kind: expected one of cosin, plateau, got 'cosine'; did you mean 'cosin'?",
        ),
        (lambda recipe: check.folder(recipe, "file"), f"file: expected a folder, got the file {__file__}"),
        (lambda recipe: check.exists(recipe, "path"), "path: no such file or folder: nowhere/at/all"),
    ],
)
def test_a_refusal_names_key_expectation_and_value(demand, text):
    with pytest.raises(ConfigError) as caught:
        demand(Recipe())
    assert str(caught.value) == text


def test_a_good_value_passes(tmp_path):
    recipe = Recipe(path=str(tmp_path))
    check.between(recipe, "rate", 0.5, 0.5)
    check.at_least(recipe, "rate", 0.5)
    check.above(recipe, "rate", 0.4)
    check.one_of(recipe, "kind", ("cosine",))
    check.folder(recipe, "path")
    check.folder(Recipe(file=None), "file")
    check.exists(recipe, "path")


def test_not_a_number_is_refused():
    with pytest.raises(ConfigError):
        check.between(Recipe(rate=float("nan")), "rate", 0, 1)
