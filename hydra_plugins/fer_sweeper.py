"""Where Hydra looks for sweepers: `fer.sweep` as one of them."""

from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from fer.sweep import SweeperConfig, sweep


class RunSweeper(BasicSweeper):
    """Hydra's own sweeper, but one that knows what is done, and that a failed job is not the end of the others."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(max_batch_size=None)
        self.settings = SweeperConfig(**settings)

    def sweep(self, arguments: list[str]) -> Any:
        """Run a sweep from its words on the command line."""
        assert self.config is not None
        assert self.hydra_context is not None
        assert self.launcher is not None
        launcher = self.launcher
        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        sweep(
            parser.parse_overrides(arguments),
            self.settings,
            Path(self.config.hydra.sweep.dir),
            lambda jobs: launcher.launch(jobs, initial_job_idx=0),
        )
