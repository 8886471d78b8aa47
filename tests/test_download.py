import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer.download import download
from fer.errors import ConfigError, DataError

BY_HAND = "or get https://www.kaggle.com/datasets/msambare/fer2013 in a browser and unzip it into"


@pytest.fixture
def kagglehub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in for the package and for Kaggle, which no test can reach; there are no credentials."""
    package = tmp_path / "site" / "kagglehub"
    package.mkdir(parents=True)
    (tmp_path / "remote" / "train" / "happy").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "import os\n"
        "def dataset_download(handle):\n"
        "    if os.environ['KAGGLE_KEY'] == 'wrong':\n"
        "        raise RuntimeError('403 Client Error.\\n\\nYou have no permission')\n"
        "    assert handle == 'msambare/fer2013'\n"
        f"    return {str(tmp_path / 'remote')!r}\n"
    )
    (package / "config.py").write_text(
        "import os\ndef get_kaggle_credentials():\n    return os.environ.get('KAGGLE_KEY') or None\n"
    )
    for name in ("kagglehub", "kagglehub.config"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delenv("KAGGLE_KEY", raising=False)
    yield tmp_path
    for name in ("kagglehub", "kagglehub.config"):
        sys.modules.pop(name, None)


def test_an_unknown_dataset(tmp_path: Path) -> None:
    text = (
        "download: expected one of fer2013, got fer2012; did you mean 'fer2013'?; "
        "what is public elsewhere you must put at dataset.path yourself"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        download("fer2012", tmp_path / "data")


def test_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)

    text = f"download: fer2013 needs kagglehub: `uv sync --extra kaggle` installs it; {BY_HAND} {tmp_path}/data"
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        download("fer2013", tmp_path / "data")


def no_credentials(target: Path) -> str:
    return (
        "download: fer2013 needs Kaggle credentials: make a token at https://www.kaggle.com/settings, then set "
        "KAGGLE_USERNAME and KAGGLE_KEY, or put the kaggle.json that it gives in ~/.kaggle/; "
        f"{BY_HAND} {target}"
    )


def test_no_credentials(kagglehub: Path) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(no_credentials(kagglehub / 'data'))}$"):
        download("fer2013", kagglehub / "data")


def test_no_credentials_for_the_real_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kagglehub", reason="the extra kaggle is not installed")
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("KAGGLE_CONFIG_DIR", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))

    with pytest.raises(DataError, match=f"^{re.escape(no_credentials(tmp_path / 'data'))}$"):
        download("fer2013", tmp_path / "data")


def test_a_download_lands_in_the_folder(kagglehub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_KEY", "right")
    target = kagglehub / "deep" / "data"

    assert download("fer2013", target) == target
    assert (target / "train" / "happy").is_dir()
    assert list(target.parent.iterdir()) == [target]


def test_a_refusal_is_one_line_and_leaves_nothing(kagglehub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_KEY", "wrong")
    target = kagglehub / "deep" / "data"

    text = (
        "download: Kaggle did not give msambare/fer2013: 403 Client Error. You have no permission; "
        f"try again, {BY_HAND} {target}"
    )
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        download("fer2013", target)
    assert not target.exists()


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.txt").touch()

    text = f"download: {tmp_path}/data is there already; remove it, or choose another place with dataset.path"
    with pytest.raises(DataError, match=f"^{re.escape(text)}$"):
        download("fer2013", tmp_path / "data")
