"""The settings of `python -m fer pipeline`."""

from dataclasses import dataclass
from typing import Any

from fer import check
from fer.errors import ConfigError


@dataclass(kw_only=True)
class PipelineRun:
    """`python -m fer pipeline`: prepare, tune, train, evaluate and export, from one config.

    Attributes:
        settings: what is said of training and search, such as "model=cnn48".
        stages: name -> {command, needs, makes}, or null. In a command, {folder} is `output`; {settings} are all
            settings; {dataset} those of the dataset; {best} what the stage "tune" found, or without one all settings
            but the tuner's. `makes`, where a stage cannot be repeated, is the file that it writes last.
        output: the pipeline's folder: a log for each stage, state.json, and what the stages write.
    """

    settings: list[str]
    stages: dict[str, Any]
    output: str

    def __post_init__(self) -> None:
        """Check that each stage is complete."""
        check.folder(self, "output")
        for name, stage in self.stages.items():
            if stage and set(stage) - {"makes"} != {"command", "needs"}:
                raise ConfigError(
                    f"stages.{name}: expected command, needs and perhaps makes, got {', '.join(map(str, stage))}"
                )
