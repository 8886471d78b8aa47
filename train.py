"""Train a model: `python train.py model=mobilenetv2 dataset=fer2013` (`--help` lists every choice)."""

from fer.commands.train import train
from fer.config import main

if __name__ == "__main__":
    main("train", train)
