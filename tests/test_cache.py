import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from fer.cache import Writer, digest, fingerprint, open_store
from fer.errors import DataError


def fill(writer: Writer) -> None:
    for number in range(5):
        pixels = np.full((4, 3, 1), number % 4, np.uint8)
        writer.add(pixels, number, part="odd" if number % 2 else "even", name=f"face {number}")
    writer.skip("face 5 (torn)")


def refuse(writer: Writer) -> None:
    raise AssertionError("filled a second time")


def test_a_store_holds_what_was_added(tmp_path: Path) -> None:
    store = open_store(str(tmp_path), "faces", "k", fill)

    assert isinstance(store.inputs, np.memmap)
    assert store.inputs.shape == (5, 4, 3, 1)
    assert store.inputs.dtype == np.uint8
    assert store.inputs[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 0]
    assert store.targets.tolist() == [0, 1, 2, 3, 4]
    assert [store.part_names[part] for part in store.parts] == ["even", "odd", "even", "odd", "even"]
    assert store.sizes.tolist() == [[3, 4]] * 5
    assert list(store.names) == [f"face {number}" for number in range(5)]
    assert list(store.names[1:3]) == ["face 1", "face 2"]
    assert (store.skipped, store.first_skipped) == (1, ("face 5 (torn)",))
    assert len(store) == 5


def test_copies_have_one_digest(tmp_path: Path) -> None:
    digests = open_store(str(tmp_path), "faces", "k", fill).digests

    assert digests[0] == digests[4] == digest(np.zeros((4, 3, 1), np.uint8))
    assert len(np.unique(digests)) == 4


def test_points_are_kept_as_they_are(tmp_path: Path) -> None:
    points = np.array([[1.5, 2.25], [3.0, 4.0]], np.float32)

    def one(writer: Writer) -> None:
        writer.add(np.zeros((4, 4, 3), np.uint8), points, part="all", name="a", size=(640, 480))

    store = open_store(str(tmp_path), "faces", "k", one)

    assert store.targets.dtype == np.float32
    np.testing.assert_array_equal(store.targets[0], points)
    assert store.sizes.tolist() == [[640, 480]]


def test_the_second_opening_fills_nothing(tmp_path: Path) -> None:
    open_store(str(tmp_path), "faces", "k", fill)

    assert len(open_store(str(tmp_path), "faces", "k", refuse)) == 5


def test_names_of_any_bytes_survive(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9\n.png")

    def one(writer: Writer) -> None:
        writer.add(np.zeros((4, 4, 1), np.uint8), 0, part="all", name=odd)
        writer.add(np.zeros((4, 4, 1), np.uint8), 0, part="all", name="after")

    names = open_store(str(tmp_path), "faces", "k", one).names

    assert list(names) == [odd.replace("\n", " "), "after"]
    with pytest.raises(IndexError):
        names[2]


def test_the_key_follows_files_and_settings() -> None:
    keys = [
        fingerprint([("/a", 10, 1)], size=48),
        fingerprint([("/a", 10, 2)], size=48),
        fingerprint([("/a", 11, 1)], size=48),
        fingerprint([("/b", 10, 1)], size=48),
        fingerprint([("/a", 10, 1)], size=96),
        fingerprint([("/a", 10, 1), ("/b", 10, 1)], size=48),
    ]

    assert len(set(keys)) == len(keys)
    assert fingerprint([("/a", 10, 1)], size=48) == keys[0]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(writer: Writer) -> None:
        fill(writer)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_store(str(tmp_path), "faces", "k", fail)

    assert list(tmp_path.iterdir()) == []


FILL_SLOWLY = """
    import sys, time
    import numpy as np
    from fer.cache import open_store

    def fill(writer):
        print("filling", flush=True)
        sys.stdin.readline()
        for number in range(300):
            writer.add(np.full((48, 48, 1), number % 256, np.uint8), number, part="all", name=str(number))

    store = open_store(sys.argv[1], "faces", "k", fill)
    print(len(store), int(store.inputs[-1, 0, 0, 0]), store.names[299])
"""


def start(cache: Path, program: str = FILL_SLOWLY) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(program), str(cache)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_may_fill_at_once(tmp_path: Path) -> None:
    both = [start(tmp_path), start(tmp_path)]
    for process in both:
        assert process.stdout
        assert process.stdout.readline() == "filling\n"
    answers = [process.communicate("go\n")[0] for process in both]

    assert answers == ["300 43 299\n"] * 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["faces-k"]


def test_a_killed_process_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        assert process.stdout
        process.stdout.readline()
        process.kill()
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".partial")

    assert len(open_store(str(tmp_path), "faces", "k", fill)) == 5
    assert left.exists(), "it might have belonged to a process that is still at work"

    yesterday = time.time() - 90_000
    os.utime(left, (yesterday, yesterday))
    (tmp_path / "faces-k").rename(tmp_path / "gone")
    open_store(str(tmp_path), "faces", "k", fill)
    assert not left.exists()


FULL = """
    import resource, sys
    import numpy as np
    from fer.cache import open_store
    from fer.errors import DataError

    def fill(writer):
        for number in range(2000):
            writer.add(np.zeros((48, 48, 1), np.uint8), number, part="all", name="a")

    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    try:
        open_store(sys.argv[1], "faces", "k", fill)
    except DataError as error:
        print(error)
"""


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    with start(tmp_path, FULL) as process:
        text, trace = process.communicate()

    assert trace == ""
    assert text == (
        f"cannot write the cache in {tmp_path}: File too large; "
        "free space there, or choose another folder with dataset.cache or FER_CACHE\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    text = (
        f"cannot write the cache in {tmp_path}/file/deep: Not a directory; "
        "free space there, or choose another folder with dataset.cache or FER_CACHE"
    )
    with pytest.raises(DataError, match=re.escape(text)):
        open_store(str(tmp_path / "file" / "deep"), "faces", "k", fill)


@pytest.mark.parametrize("file", ["inputs.npy", "meta.json"])
def test_a_damaged_store_says_what_to_remove(tmp_path: Path, file: str) -> None:
    store = open_store(str(tmp_path), "faces", "k", fill)
    del store
    damaged = tmp_path / "faces-k" / file
    damaged.write_bytes(damaged.read_bytes()[:-10])

    with pytest.raises(DataError, match=r"^the cache .*/faces-k is damaged \(.*\); remove that folder and run again$"):
        open_store(str(tmp_path), "faces", "k", refuse)
