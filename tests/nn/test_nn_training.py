"""Trainee, layer-wise rates and averaged weights: each against values computed by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from fer.config import compose
from fer.nn.averages import swap
from fer.nn.layerwise import rates
from fer.nn.trainee import Trainee, divergence


def test_divergence_by_hand():
    teacher, student = np.array([[0.8, 0.2]]), np.array([[0.5, 0.5]])
    plain = 0.8 * np.log(0.8 / 0.5) + 0.2 * np.log(0.2 / 0.5)
    assert float(divergence(teacher, student, 1.0)) == pytest.approx(plain, rel=1e-5)
    soft = np.sqrt([0.8, 0.2]) / np.sqrt([0.8, 0.2]).sum()  # temperature 2: p^(1/2), normalised
    assert float(divergence(teacher, student, 2.0)) == pytest.approx(4 * (soft * np.log(soft / 0.5)).sum(), rel=1e-4)
    assert float(divergence(teacher, teacher, 3.0)) == pytest.approx(0, abs=1e-6)


def constant(probabilities):
    inputs = keras.Input((2,))
    layer = keras.layers.Dense(2, activation="softmax")
    network = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.zeros((2, 2)), np.log(probabilities)])
    return network


def test_the_teacher_is_part_of_the_loss_in_training_only():
    student, teacher = constant([0.5, 0.5]), constant([0.8, 0.2])
    trainee = Trainee(student, teacher=(teacher, 1.0, 0.25))
    trainee.compile("sgd", "categorical_crossentropy")
    x, y = np.zeros((1, 2), np.float32), np.array([[1.0, 0.0]], np.float32)
    told = 0.8 * np.log(0.8 / 0.5) + 0.2 * np.log(0.2 / 0.5)
    assert trainee.test_on_batch(x, y) == pytest.approx(np.log(2), rel=1e-5)
    assert trainee.train_on_batch(x, y) == pytest.approx(0.75 * np.log(2) + 0.25 * told, rel=1e-4)
    assert [variable.path for variable in trainee.trainable_variables] == [v.path for v in student.trainable_variables]


def test_layer_decay_lowers_the_step_of_earlier_layers():
    network = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    )
    variables = network.trainable_variables
    factors = rates(network, variables, 0.5)
    assert factors == [0.5, 0.5, 0.5, 0.5, 1, 1]
    recipe = compose("train", "optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=false",
                     "optimizer.weight_decay=0").optimizer  # fmt: skip
    optimizer = recipe.build(0.1, factors)
    before = [np.array(variable) for variable in variables]
    optimizer.apply([ops.ones_like(variable) for variable in variables], variables)
    steps = [float(np.ravel(old - np.array(new))[0]) for old, new in zip(before, variables, strict=True)]
    np.testing.assert_allclose(steps, [0.05, 0.05, 0.05, 0.05, 0.1, 0.1], rtol=1e-5)


def test_averaged_weights_by_hand():
    weight = keras.Variable(np.zeros(1, np.float32))
    settings = ("optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=false", "optimizer.weight_decay=0")
    optimizer = compose("train", *settings, "optimizer.ema=0.75").optimizer.build(1.0)
    optimizer.build([weight])
    for _ in range(2):
        optimizer.apply([ops.ones(1)], [weight])
    assert float(weight[0]) == -2
    swap(optimizer)
    assert float(weight[0]) == pytest.approx(0.75 * -1 + 0.25 * -2)  # the average begins at the first step
    swap(optimizer)
    assert float(weight[0]) == -2


def test_gradients_of_several_batches_make_one_step():
    weight = keras.Variable(np.zeros(1, np.float32))
    settings = ("optimizer=sgd", "optimizer.momentum=0", "optimizer.nesterov=false", "optimizer.weight_decay=0")
    optimizer = compose("train", *settings, "optimizer.accumulate=2").optimizer.build(1.0)
    seen = []
    for gradient in (1.0, 3.0, 5.0):
        optimizer.apply([ops.array([gradient])], [weight])
        seen.append(float(weight[0]))
    assert seen == [0, -2, -2]
