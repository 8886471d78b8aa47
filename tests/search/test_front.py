from fer.search.front import draw, front

ROWS = [
    {"trial": "a", "score": 0.5, "bytes": 10},
    {"trial": "b", "score": 0.6, "bytes": 20},
    {"trial": "c", "score": 0.5, "bytes": 20},
    {"trial": "d", "score": None, "bytes": 1},
    {"trial": "e", "score": 0.6, "bytes": 20},
]


def test_the_front_is_what_no_other_beats():
    assert front(ROWS, {"score": "max", "bytes": "min"}) == [0, 1, 4]
    assert front(ROWS, {"score": "min", "bytes": "min"}) == [0]


def test_it_is_drawn(tmp_path):
    file = draw(tmp_path / "front.png", ROWS, {"bytes": "min", "score": "max"})
    assert file.read_bytes().startswith(b"\x89PNG")
