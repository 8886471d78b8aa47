import logging

import numpy as np
import pytest

from fer.checkpoint import Checkpoints, Progress, read
from fer.errors import RunError


def save(folder, epochs):
    kept = Checkpoints(folder)
    for epoch in range(1, epochs + 1):
        value = [np.full(3, epoch, np.float32)]
        best = value if epoch <= 2 else None
        progress = Progress(epoch=epoch, best_epoch=min(epoch, 2) - 1)
        kept.save(progress, {"network": value, "optimizer": [np.int64(epoch)], "metrics": []}, best)
    kept.close()
    return kept


def states(folder):
    return sorted(folder.glob("last-*"))


def test_the_last_two_states_and_their_best_networks_are_kept(tmp_path):
    save(tmp_path, 5)
    assert [file.name[:18] for file in states(tmp_path)] == ["last-00004-0000000", "last-00005-0000000"]
    assert [file.name[:10] for file in tmp_path.glob("best-*")] == ["best-00001"]
    assert len(list(tmp_path.iterdir())) == 3


def test_the_newest_state_comes_back(tmp_path):
    save(tmp_path, 3)
    kept = Checkpoints(tmp_path)
    progress, arrays = kept.latest()
    assert progress.epoch == 3
    assert arrays["network"][0].tolist() == [3, 3, 3]
    assert arrays["optimizer"] == [3]
    assert kept.best()[0].tolist() == [2, 2, 2]


def test_there_may_be_none(tmp_path):
    assert Checkpoints(tmp_path / "nothing").latest() is None


@pytest.mark.parametrize("damage", ["cut", "altered"])
def test_a_damaged_state_is_passed_over_with_a_warning(tmp_path, damage, caplog):
    save(tmp_path, 3)
    newest = states(tmp_path)[-1]
    content = bytearray(newest.read_bytes())
    if damage == "cut":
        content = content[:-100]
    else:
        content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    with caplog.at_level(logging.WARNING, logger="fer"):
        logging.getLogger("fer").propagate = True
        progress, _ = Checkpoints(tmp_path).latest()
    assert progress.epoch == 2
    assert caplog.messages == [
        f"{newest}: missing, cut short or altered (its hash is not the one in its name); "
        "going on from the one before it"
    ]


def test_only_damaged_states_are_an_error(tmp_path):
    save(tmp_path, 2)
    for file in states(tmp_path):
        file.write_bytes(b"")
    with pytest.raises(RunError) as caught:
        Checkpoints(tmp_path).latest()
    assert str(caught.value) == f"{tmp_path}: no checkpoint there is whole; choose another folder with hydra.run.dir="


def test_a_state_without_its_best_network_is_not_whole(tmp_path):
    save(tmp_path, 1)
    next(tmp_path.glob("best-*")).unlink()
    with pytest.raises(RunError):
        Checkpoints(tmp_path).latest()


def test_a_failed_write_reaches_the_training(tmp_path):
    (tmp_path / "checkpoint").write_text("a file")
    kept = Checkpoints(tmp_path / "checkpoint")
    kept.save(Progress(), {"network": []})
    with pytest.raises(FileExistsError):
        kept.wait()


def test_reading_names_what_is_missing(tmp_path):
    with pytest.raises(RunError, match=r"last-00001-0000000-0000\.npz: missing, cut short or altered"):
        read(tmp_path / "last-00001-0000000-0000.npz")


def judged(epochs, mode):
    """Return what is kept and how long was waited, for the values and losses of some epochs."""
    progress, found = Progress(), []
    for epoch, (value, loss) in enumerate(epochs):
        progress.rows.append({"epoch": epoch, "val_score": value, "val_loss": loss})
        found.append((progress.judge("val_score", mode), progress.waited))
    return progress, found


def test_the_best_epoch_is_that_of_the_best_value_and_of_equal_ones_that_of_the_lowest_loss():
    epochs = [(0.5, 1.0), (0.9, 0.8), (0.9, 0.9), (0.9, 0.5), (0.8, 0.1), (0.95, 2.0)]
    progress, found = judged(epochs, "max")
    assert [kept for kept, _ in found] == [True, True, False, True, False, True]
    assert [waited for _, waited in found] == [0, 0, 1, 2, 3, 0], "a lower loss alone gives no patience"
    assert (progress.best, progress.best_epoch) == (0.95, 5)


def test_lower_may_be_better():
    _, found = judged([(0.5, 1.0), (0.6, 1.0), (0.4, 1.0)], "min")
    assert [kept for kept, _ in found] == [True, False, True]
