"""The documentation builds without a broken link, fetches nothing, and what it quotes is true."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fer import __main__ as commands
from fer.config import RUNS, _composed, register

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Fetched(HTMLParser):
    """Collects what a browser gets by itself when it opens a page."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        names = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
        self.addresses += [value for key, value in attributes if key == names.get(tag) and value]


def test_every_page_is_built_and_fetches_nothing_from_elsewhere(site):
    for page in PAGES[1:]:
        assert (site / f"{page.stem}.html").exists()
    for page in site.rglob("*.html"):
        seen = Fetched()
        seen.feed(page.read_text())
        assert seen.addresses and not [each for each in seen.addresses if re.match("(https?:)?//", each)]
    for sheet in site.rglob("*.css"):
        assert not re.search(r"""(url\(|@import)\s*["']?(https?:)?//""", sheet.read_text())


def test_links_of_the_readme_lead_somewhere():
    targets = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    assert targets and not [each for each in targets if "://" not in each and not (ROOT / each).exists()]


MADE_UP = ("model.dropoot=0.3", "experiment=x", "model=tiny", "dataset=stripes", "dataset=x", "loss=squared")


def quoted_commands():
    """Yield each command of this project that a page quotes, without the words that only stand for something."""
    starts = {"train.py": "train", "tune.py": "tune", "export.py": "export"}
    for page in PAGES:
        for text in re.findall(r"^ {4}(?:\$ )?(python .*)|`(python [^`\n]+)`", page.read_text(), re.MULTILINE):
            words = shlex.split(re.sub("<[^>]*>", "x", "".join(text)), comments=True)[1:]
            if words[:2] == ["-m", "fer"] and len(words) > 2:
                name, words = words[2], words[3:]
            elif words[0] in starts:
                name, words = starts[words[0]], words[1:]
            else:
                continue
            if any(word in ("-m", "--help") or word.startswith("--config-dir") for word in words):
                continue  # many configs, none, or one of the reader's own
            yield page.name, name, tuple(word for word in words if "..." not in word and word not in MADE_UP)


COMMANDS = sorted(set(quoted_commands()))


@pytest.mark.slow
@pytest.mark.parametrize(("page", "name", "words"), COMMANDS, ids=lambda value: str(value)[:60])
def test_every_quoted_command_composes(page, name, words):
    assert name in RUNS
    register()
    words = [commands._listed(name, commands._named(name, word)) for word in words if word[0] != "-"]
    own = ("run=", "resume=", "sweep=") if name in ("train", "tune") else ("sweep=",)
    words = [word for word in words if not word.startswith(own)]
    if name in ("evaluate", "export", "boxes"):
        words = [f"++{word}" if word.startswith("dataset.") else word for word in words]
    if name == "pipeline":
        words = commands._gathered(words)
    _composed(name, words)


def raised_texts():
    """Yield each text of the code as its fixed parts; what is put in between may be anything."""
    for file in sorted((ROOT / "fer").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            values = node.values if isinstance(node, ast.JoinedStr) else [node]
            parts = [part.value if isinstance(part, ast.Constant) else "" for part in values]
            if all(isinstance(part, str) for part in parts) and max(map(len, parts), default=0) >= 8:
                yield parts


def quoted_errors():
    """Yield each text in the first column of a table headed "message"."""
    for page in PAGES[1:]:
        for table in re.findall(r"^\| message \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page.read_text(), re.MULTILINE):
            yield from ((page.name, text) for text in re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))


def test_every_quoted_error_is_one_of_the_code():
    errors = list(quoted_errors())
    texts = list(raised_texts())
    assert len(errors) > 30

    def raised(text):
        """Whether a text of the code makes up most of the quoted one, or has all of it that is not dots."""
        near = (parts for parts in texts if max(parts, key=len) in text)
        found = (re.search(".*".join(map(re.escape, parts)), text) for parts in near)
        quoted = ".*".join(map(re.escape, text.split("...")))
        return any(match and len(match[0]) > 0.6 * len(text) for match in found) or any(
            re.fullmatch(quoted, "".join(parts)) for parts in texts
        )

    assert [error for error in errors if not raised(error[1].replace("\\|", "|"))] == []


@pytest.mark.slow
def test_the_recipes_of_add_your_own_train(tmp_path):
    """In a copy of the repository, since the path is the registry."""
    for name in ("fer", "conf", "hydra_plugins"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "train.py", tmp_path)
    page = (ROOT / "docs/add-your-own.md").read_text()
    files = re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', page, re.MULTILINE | re.DOTALL)
    assert len(files) == 6
    for name, text in files:
        assert not (tmp_path / name).exists()
        (tmp_path / name).write_text(text)
    [line] = re.findall("^    python (train.py .*)", page, re.MULTILINE)
    words = [sys.executable, *line.split(), "training.epochs=1", "hydra.run.dir=run"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/manifest.json").exists()
