"""Export a finished run: `python export.py run=latest export=fp32` (`--help` lists every choice)."""

from fer.commands.export import export
from fer.config import main

if __name__ == "__main__":
    main("export", export)
