"""Train, tune, judge, export and run models of facial expressions and facial points."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fer.predictor import Prediction as Prediction
    from fer.predictor import Predictor as Predictor

__version__ = "0.1.0"
__all__ = ["Prediction", "Predictor", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the Python API where it is asked for: a small device runs `fer.device` without what it needs."""
    if name not in ("Prediction", "Predictor"):
        raise AttributeError(f"module 'fer' has no attribute {name!r}")
    from fer import predictor

    return getattr(predictor, name)
