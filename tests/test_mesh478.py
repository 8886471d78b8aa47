import numpy as np
import pytest

from fer.mesh478 import CONTOURS, EXPRESSION, MIRROR, OUTER_EYE_CORNERS, SUBSETS, mirror_of


def test_the_expression_subset_has_72_named_points():
    assert len(EXPRESSION) == len(set(EXPRESSION.values())) == 72
    assert EXPRESSION["outer lip 1"] == 61
    assert [EXPRESSION[f"right eye {number}"] for number in range(1, 7)] == [33, 160, 158, 133, 153, 144]
    assert [EXPRESSION[f"left eye {number}"] for number in range(1, 7)] == [263, 387, 385, 362, 380, 373]
    assert {name: len(points) for name, points in SUBSETS.items()} == {
        "all": 478,
        "mesh": 468,
        "expression": 72,
        "lips": 40,
        "eyes": 32,
    }


@pytest.mark.parametrize("subset", SUBSETS)
def test_a_mirror_pairs_the_points_of_a_subset(subset):
    mirror = mirror_of(subset)
    assert sorted(mirror) == list(range(len(SUBSETS[subset])))
    assert [mirror[place] for place in mirror] == list(range(len(mirror)))


def test_a_mirror_takes_each_contour_to_its_twin():
    for name, points in CONTOURS.items():
        twin = name.replace("right", "left") if "right" in name else name.replace("left", "right")
        assert {MIRROR[point] for point in points} == set(CONTOURS[twin])
    assert MIRROR[OUTER_EYE_CORNERS[0]] == OUTER_EYE_CORNERS[1]
    assert [point for point in (0, 1, 10, 13, 14, 152) if MIRROR[point] != point] == [], "the middle stays"


def test_a_mirror_keeps_the_triangles_of_the_mesh():
    connections = pytest.importorskip("mediapipe.tasks.python.vision.face_landmarker").FaceLandmarksConnections
    for part in ("LIPS", "FACE_OVAL", "NOSE"):
        edges = {frozenset((edge.start, edge.end)) for edge in getattr(connections, f"FACE_LANDMARKS_{part}")}
        mirrored = {frozenset(MIRROR[point] for point in edge) for edge in edges}
        assert len(mirrored - edges) <= (2 if part == "NOSE" else 0), part
    edges = {frozenset((edge.start, edge.end)) for edge in connections.FACE_LANDMARKS_TESSELATION}
    mirrored = {frozenset(MIRROR[point] for point in edge) for edge in edges}
    assert np.round(len(mirrored - edges) / len(edges), 2) == 0, "but for a few diagonals"
