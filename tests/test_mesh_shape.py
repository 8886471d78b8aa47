import numpy as np
import pytest

from fer.errors import ConfigError
from fer.mesh478 import SUBSETS
from fer.mesh_shape import Shape, oddness, prepare, robust_z, rotations

FACE = np.random.default_rng(0).normal(0, 30, (478, 3)).astype(np.float32)
FACE[[33, 263]] = [[-40, 0, 10], [40, 0, 10]]


def shape(**changes) -> Shape:
    return Shape(**({"subset": "all", "centre": True, "scale": True, "rotate": True} | changes))


def posed(pose: tuple[float, float, float], scale=1.0, shift=(0, 0, 0)) -> np.ndarray:
    """The face turned as MediaPipe's pose says: Rz(roll) Ry(yaw) Rx(pitch) of columns (x, -y, -z)."""
    (a, b, c), (d, e, f) = np.sin(np.radians(pose)), np.cos(np.radians(pose))
    about_x = np.array([[1, 0, 0], [0, d, -a], [0, a, d]])
    about_y = np.array([[e, 0, b], [0, 1, 0], [-b, 0, e]])
    about_z = np.array([[f, -c, 0], [c, f, 0], [0, 0, 1]])
    turned = (about_z @ about_y @ about_x @ (FACE * (1, -1, -1)).T).T * (1, -1, -1)
    return (turned * scale + shift)[None].astype(np.float32)


@pytest.mark.parametrize("pose", [(0, 0, 0), (20, 0, 0), (0, -35, 0), (0, 0, 15), (-12, 25, -8)])
def test_pose_size_and_place_are_taken_out(pose):
    straight = prepare(FACE[None], np.zeros((1, 3)), shape())
    turned = prepare(posed(pose, scale=2.5, shift=(300, 200, -4)), np.array([pose]), shape())
    np.testing.assert_allclose(turned, straight, atol=1e-4)
    assert turned.dtype == np.float32


def test_each_step_alone():
    raw = prepare(posed((0, 0, 0), shift=(5, 6, 7)), np.zeros((1, 3)), shape(centre=False, scale=False, rotate=False))
    np.testing.assert_allclose(raw[0], FACE + np.array([5, 6, 7]), atol=1e-4)
    centred = prepare(FACE[None], np.zeros((1, 3)), shape(scale=False, rotate=False))
    np.testing.assert_allclose(centred[0, [33, 263]], [[-40, 0, 0], [40, 0, 0]], atol=1e-4)
    scaled = prepare(FACE[None], np.zeros((1, 3)), shape(centre=False, rotate=False))
    np.testing.assert_allclose(scaled[0], FACE / 80, atol=1e-5)


def test_a_subset_is_cut_out_after_all_else():
    whole = prepare(FACE[None], np.array([[5.0, 9.0, -3.0]]), shape())
    lips = prepare(FACE[None], np.array([[5.0, 9.0, -3.0]]), shape(subset="lips"))
    np.testing.assert_allclose(lips, whole[:, list(SUBSETS["lips"])], atol=1e-6)
    with pytest.raises(ConfigError, match=r"^subset: expected one of all, mesh, expression, lips, eyes, got 'nose'"):
        shape(subset="nose")


def test_rotations_are_rotations():
    matrices = rotations(np.array([[10.0, 20.0, 30.0], [-5.0, 0.0, 80.0]]))
    np.testing.assert_allclose(matrices @ matrices.transpose(0, 2, 1), np.tile(np.eye(3), (2, 1, 1)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.det(matrices), 1, atol=1e-6)


def test_odd_faces_have_a_high_robust_z():
    random = np.random.default_rng(0)
    faces = FACE / 80 + random.normal(0, 0.01, (200, 478, 3))
    faces[7] += random.normal(0, 0.2, (478, 3))
    scores = robust_z(oddness(faces, np.median(faces, axis=0)))
    assert np.flatnonzero(scores > 10).tolist() == [7]
    assert np.abs(np.delete(scores, 7)).max() < 6
    assert robust_z(np.ones(5)).tolist() == [0] * 5
