import numpy as np

from fer.drawing import draw_face
from fer.ibug68 import MIRROR, NAMES, POINTS, REGIONS, swapped


def test_names_and_regions_cover_the_points():
    assert (POINTS, len(set(NAMES))) == (68, 68)
    assert (NAMES[0], NAMES[8], NAMES[36], NAMES[45], NAMES[67]) == (
        "jaw 1",
        "jaw 9",
        "right eye 1",
        "left eye 4",
        "inner lip 8",
    )
    assert np.concatenate([np.arange(68)[region] for region in REGIONS.values()]).tolist() == list(range(68))


def test_a_mirror_exchanges_left_and_right_and_keeps_the_region():
    assert [MIRROR[MIRROR[point]] for point in range(68)] == list(range(68))
    for point, other in enumerate(MIRROR):
        left, right = NAMES[point].split()[0], NAMES[other].split()[0]
        assert {left, right} in ({"left", "right"}, {left})


def test_swapped_labels_are_seen_in_a_turned_face_too():
    points = np.stack([draw_face("happy", 64, np.random.default_rng(seed))[1] for seed in range(4)])
    assert not swapped(points).any()
    assert swapped(points[:, list(MIRROR)]).all()
    upside_down = 64 - points
    assert not swapped(upside_down).any()
    mirrored = points * (-1, 1)
    assert swapped(mirrored).all(), "a mirrored picture with its old labels"
