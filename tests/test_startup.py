"""What must be quick imports nothing heavy."""

import subprocess
import sys

import pytest

from fer.config import CONF, RUNS
from fer.help import help_text

HEAVY = ("albumentations", "cv2", "jax", "keras", "matplotlib", "mediapipe", "sklearn", "tensorflow", "wandb")


def loaded(statement: str) -> set[str]:
    """Return which heavy modules a fresh interpreter has after a statement."""
    code = f"import sys\n{statement}\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(eval(done.stdout))


def test_importing_the_config_loads_nothing_heavy():
    assert loaded("import fer.config") == set()


def test_composing_and_loading_a_run_loads_nothing_heavy():
    assert loaded("from fer.config import compose; compose('train', 'augmentation=none')") == set()


def test_an_augmentation_is_checked_without_keras():
    assert loaded("from fer.config import compose; compose('train')") <= {"albumentations", "cv2"}


def test_help_lists_every_choice_with_its_line():
    text = help_text(CONF, "train")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert any(line.startswith("mobilenetv2 MobileNetV2 with ImageNet weights: the head first") for line in lines)
    assert any(line.startswith("fer2013 FER2013: 48x48 grey faces in seven expressions") for line in lines)
    assert "python train.py experiment=quickstart" in text


def test_help_is_printed_by_the_scripts(command):
    done = command("train.py", "--help")
    assert (done.returncode, done.stdout, done.stderr) == (0, help_text(CONF, "train") + "\n", "")
    assert command("fer", "evaluate", "-h").stdout == help_text(CONF, "evaluate") + "\n"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["evaluat"], "no such command: evaluat; did you mean 'evaluate'?\n"),
        ([], ""),
    ],
)
def test_the_commands_are_listed(command, words, text):
    done = command("fer", *words)
    usage = f"usage: python -m fer <{'|'.join(sorted(RUNS))}> [key=value ...]\n"
    assert (done.returncode, done.stderr) == (2, text + usage)


def test_a_command_of_one_folder_takes_runs_as_it_is_and_others_as_a_list(command):
    done = command("fer", "noise", "runs=nowhere")
    error = done.stderr.splitlines()[-1]  # after what TensorFlow says
    assert done.returncode == 2 and error.startswith("error: runs=nowhere: no finished run there; ")
    done = command("fer", "compare", "runs=nowhere,elsewhere")
    assert (done.returncode, done.stderr) == (2, "error: runs=nowhere: no such folder\n")


def test_the_whole_config_is_printed(command):
    done = command("train.py", "--cfg", "job", "model=mobilenetv2", "model.weights=none")
    assert done.returncode == 0
    assert "  weights: none\n  alpha: 1.0\n  input_size: 224\n" in done.stdout


@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("train.py model=c", "model=cnn48 model=compressed"),
        ("train.py model.dr", "model.dropout="),
        ("train.py experiment=qui", "experiment=quickstart"),
    ],
)
def test_tab_completes(monkeypatch, command, line, choices):
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    assert command("train.py", "-sc", "query=bash").stdout.strip() == choices
