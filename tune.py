"""Search for better settings: `python tune.py model=cnn48 tuner=hyperband` (`--help` lists every choice)."""

from fer.commands.tune import tune
from fer.config import main

if __name__ == "__main__":
    main("tune", tune)
