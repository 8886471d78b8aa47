import pytest

from fer.config import Variants
from fer.errors import ConfigError
from fer.search.space import extremes, override, parse, rounded

CHOICES = {"optimizer": "adam", "model": "cnn48"}


def mistake(space, choices=CHOICES):
    with pytest.raises(ConfigError) as caught:
        parse(space, choices)
    return str(caught.value)


def test_parents_come_before_what_depends_on_them():
    space = {
        "optimizer.momentum": {"float": [0.8, 0.99], "when": {"optimizer": "sgd"}},
        "optimizer": {"choice": ["adam", "sgd"]},
    }
    parameters = parse(space, CHOICES)
    assert [each.key for each in parameters] == ["optimizer", "optimizer.momentum"]
    assert parameters[1].active({"optimizer": "sgd"})
    assert not parameters[1].active({"optimizer": "adam"})
    assert list(extremes(parameters)) == [
        {"optimizer": "adam"},
        {"optimizer": "sgd"},
        {"optimizer": "sgd", "optimizer.momentum": 0.8},
        {"optimizer": "sgd", "optimizer.momentum": 0.99},
    ]


@pytest.mark.parametrize(("optimizer", "keys"), [("adamw", ["seed", "optimizer.weight_decay"]), ("adam", ["seed"])])
def test_a_condition_on_a_group_that_is_not_searched_is_settled_by_its_choice(optimizer, keys):
    space = {
        "seed": {"int": [1, 3]},
        "optimizer.weight_decay": {"float": [1e-5, 1e-2], "log": True, "when": {"optimizer": "adamw"}},
    }
    parameters = parse(space, {"optimizer": optimizer})
    assert [each.key for each in parameters] == keys
    assert all(not each.when for each in parameters)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (3, "expected choice, int or float, with step, log or when, got 3"),
        ({"flaot": [0, 1]}, "expected choice, int or float, with step, log or when, got flaot; did you mean 'float'?"),
        ({"int": [0, 1], "float": [0, 1]}, "expected choice, int or float, with step, log or when, got int, float"),
        ({"choice": []}, "expected one or more choices, got choice: []"),
        ({"float": [1, 0]}, "expected the lowest value first, got float: [1, 0]"),
        ({"float": [0, 1], "log": True}, "expected a lowest value above 0 with log, got float: [0, 1]"),
        ({"int": [0.5, 1]}, "expected whole numbers, got int: [0.5, 1]"),
        ({"int": [1]}, "expected int: [lowest, highest], got int: [1]"),
        ({"choice": [1, 2], "log": True}, "expected neither step nor log beside choice, got choice: [1, 2]"),
    ],
)
def test_a_malformed_entry_is_named(entry, text):
    assert mistake({"model.dropout": entry}) == f"tuner.space.model.dropout: {text}"


def test_a_parent_that_is_not_there_or_waits_for_its_child_is_named():
    alone = {"a": {"choice": [1], "when": {"optimiser": "sgd"}}}
    assert mistake(alone) == "tuner.space.a: when: no parameter optimiser"
    circle = {"a": {"choice": [1], "when": {"b": 1}}, "b": {"choice": [1], "when": {"a": 1}}}
    assert mistake(circle) == "tuner.space: when: a, b depend on each other, or on one that is not tried"
    assert mistake({}) == "tuner.space: expected one key or more, got none"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"model.dropoot": 0.1}, "model.dropoot: unknown key"),
        ({"model.dropout": 1.5}, "model.dropout: expected a value from 0 to 0.99, got 1.5"),
        ({"model.dropout": "high"}, "model.dropout: Value 'high'"),
        ({"optimizer": "adma"}, "optimizer=adma: no such choice; did you mean 'adam'?"),
        ({"optimizer.momentum": 0.9}, "optimizer.momentum: unknown key"),
    ],
)
def test_a_variant_is_checked_as_a_command_line_is(values, text):
    variants = Variants("train", ["augmentation=none"])
    with pytest.raises(ConfigError) as caught:
        variants(values)
    assert str(caught.value).startswith(text)


def test_a_variant_has_its_groups_and_values_and_leaves_the_next_alone():
    variants = Variants("train", ["augmentation=none", "training.epochs=3"])
    run = variants({"optimizer": "sgd", "optimizer.momentum": 0.8, "model.units": [7]})
    assert (run.optimizer.momentum, run.model.units, run.training.epochs) == (0.8, [7], 3)
    assert variants({}).model.units == [128, 64]


@pytest.mark.parametrize("value", [1e-05, 3, True, None, "all", "yes, [that]", [64, 32]])
def test_an_override_says_the_same_to_hydra(value):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parsed = OverridesParser.create().parse_override(override("key", value)).value()
    assert parsed == value or str(parsed).strip('"') == value


def test_fractions_keep_six_digits():
    assert rounded(0.30000000000000004) == 0.3
    assert rounded(0.000123456789) == 0.000123457
    assert rounded(12345678) == 12345678
