"""A finished run's network, trained on so that it survives 8-bit integers, zeros in its weights, or both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer import artifact, check
from fer.base import DataSpec, Model
from fer.errors import ConfigError

if TYPE_CHECKING:
    import keras


@dataclass(kw_only=True)
class Compressed(Model):
    """Quantization-aware training (see fer.nn.quantization) and magnitude pruning (see fer.nn.pruning) of any model.

    The network starts with the run's weights; `weights` takes none of its own. Its BatchNorm is folded, so train it
    gently: a hundredth of the rate that the run was trained with.

    Attributes:
        run: a finished run's folder, or "latest".
        qat: compute as the int8 file will.
        sparsity: share of zeros in each kernel at the end, 0 (no pruning) to 0.99; 0.5 for "2:4".
        pattern: of the zeros: "unstructured", or "2:4" (two of four neighbours).
        pruning_steps: training steps over which the zeros become as many.
    """

    run: str
    qat: bool
    sparsity: float
    pattern: str
    pruning_steps: int

    def __post_init__(self) -> None:
        """Check the ranges, and that the run is a finished one."""
        if self.weights != "none":
            raise ConfigError(f"weights: expected none, since the network is that of model.run, got {self.weights}")
        check.between(self, "sparsity", 0, 0.99)
        check.one_of(self, "pattern", ("unstructured", "2:4"))
        check.at_least(self, "pruning_steps", 1)
        if self.pattern == "2:4" and self.sparsity not in (0, 0.5):
            raise ConfigError(f"sparsity: expected 0.5 with pattern=2:4, got {self.sparsity}")
        if not self.qat and not self.sparsity:
            raise ConfigError("sparsity: expected more than 0 where qat is false: nothing would be compressed")
        self._contract = artifact.find(self.run).passport()["contract"]

    @property
    def kind(self) -> str:  # type: ignore[override]
        """The kind of input that the run's network takes."""
        return str(self._contract["input"]["kind"])

    def build(self, spec: DataSpec) -> keras.Model:
        """Rewrite the run's network.

        Raises:
            ConfigError: it was trained on data of another kind, or holds a layer that cannot be rewritten.
        """
        from fer.nn.rewriting import compress
        from fer.nn.weights import load_network

        if artifact.contract(spec) != self._contract:
            raise ConfigError(f"model.run: expected a run on data like {spec.name}, got one on {self._contract}")
        pruning: dict[str, Any] | None = None
        if self.sparsity:
            pruning = {"sparsity": self.sparsity, "pattern": self.pattern, "steps": self.pruning_steps}
        return compress(load_network(Path(artifact.find(self.run).model)), rounds=self.qat, pruning=pruning)
