"""Get public datasets from Kaggle, or say what to do by hand."""

import shutil
import uuid
from pathlib import Path

from fer.errors import ConfigError, DataError, did_you_mean

KAGGLE: dict[str, str] = {"fer2013": "msambare/fer2013"}
"""Kaggle's name of each dataset that can be downloaded."""


def download(dataset_name: str, target: Path) -> Path:
    """Download a public dataset.

    Args:
        dataset_name: as in `dataset=<name>`.
        target: the folder to make; nothing is left there by a download that breaks off.

    Returns:
        The folder.

    Raises:
        ConfigError: no public home of this dataset is known.
        DataError: the folder holds something already, kagglehub is not installed, there are no credentials, or Kaggle
            refuses; the text says what to do.
    """
    if dataset_name not in KAGGLE:
        raise ConfigError(
            f"download: expected one of {', '.join(KAGGLE)}, got {dataset_name}{did_you_mean(dataset_name, KAGGLE)}; "
            "what is public elsewhere you must put at dataset.path yourself"
        )
    target, handle = target.expanduser(), KAGGLE[dataset_name]
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"download: {target} is there already; remove it, or choose another place with dataset.path")
    by_hand = f"or get https://www.kaggle.com/datasets/{handle} in a browser and unzip it into {target}"
    try:
        import kagglehub
        from kagglehub.config import get_kaggle_credentials
    except ImportError as error:
        raise DataError(
            f"download: {dataset_name} needs kagglehub: `uv sync --extra kaggle` installs it; {by_hand}"
        ) from error
    partial = target.with_name(f".{target.name}-{uuid.uuid4().hex[:8]}.partial")
    try:
        if get_kaggle_credentials() is None:
            raise DataError(
                f"download: {dataset_name} needs Kaggle credentials: make a token at https://www.kaggle.com/settings, "
                "then set KAGGLE_USERNAME and KAGGLE_KEY, or put the kaggle.json that it gives in ~/.kaggle/; "
                f"{by_hand}"
            )
        # kagglehub keeps what it fetched in a cache of its own
        shutil.copytree(kagglehub.dataset_download(handle), partial)
        if target.exists():
            target.rmdir()
        partial.rename(target)
    except DataError:
        raise
    except Exception as error:  # kagglehub has many kinds: network, refusal, disk
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"download: Kaggle did not give {handle}: {reason}; try again, {by_hand}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target
