"""The text of --help, filled from the folders of `conf/` without composing or importing anything."""

from pathlib import Path

EXAMPLES = {
    "train": (
        "python train.py experiment=quickstart",
        "python train.py model=mobilenetv2 dataset=fer2013 tracker=wandb",
        "python train.py -m model=cnn48,mobilenetv2 seed=1,2,3",
    ),
    "evaluate": ("python -m fer evaluate run=latest split=validation",),
    "combine": ("python -m fer combine runs=[outputs/a,outputs/b] by=outputs",),
    "boxes": ("python -m fer boxes run=latest",),
    "capture": (
        "python -m fer capture output=faces.csv subject=anna",
        "python -m fer capture source=clip.mp4 label=smile display=false output=faces.csv",
    ),
    "extract": ("python -m fer extract dataset=fer2013 output=data/fer2013_mesh.csv workers=4",),
    "predict": (
        "python -m fer predict source=photo.jpg",
        "python -m fer predict source=clip.mp4 model=face.tflite output=seen",
    ),
    "demo": ("python -m fer demo", "python -m fer demo models=face.tflite port=8000"),
    "prepare": ("python -m fer prepare dataset=fer2013",),
    "noise": (
        "python -m fer noise runs=multirun/<date>/<time>",
        "python -m fer noise dataset=facemesh_csv dataset.path=faces.csv",
    ),
    "audit": ("python -m fer audit dataset=fer2013",),
    "compare": (
        "python -m fer compare runs=outputs/a,outputs/b",
        "python -m fer compare runs=multirun/2026-01-01/12-00-00",
    ),
    "pipeline": ("python -m fer pipeline model=cnn48 dataset=fer2013 tuner=hyperband output=outputs/mine",),
    "tune": (
        "python tune.py model=cnn48 tuner=hyperband",
        "python tune.py model=mobilenetv2 dataset=fer2013 tuner=bayesian tuner.trials=30 tuner.parallel=2",
    ),
    "export": (
        "python export.py run=latest export=int8",
        "python export.py run=latest export=all gate.accuracy_drop=1",
    ),
    "benchmark": ("python -m fer benchmark run=latest", "python -m fer benchmark run=latest frame=photo.jpg"),
    "graph": ("python -m fer graph run=latest",),
    "verify": ("python -m fer verify outputs/<run>/export/int8.tflite",),
}


def help_text(conf: Path, name: str) -> str:
    """Return the help of one command: what it does, its groups with each choice, its own settings, examples."""
    root = (conf / f"{name}.yaml").read_text(encoding="utf-8")
    lines = [_summary(conf / f"{name}.yaml"), ""]
    for group in sorted(path.name for path in conf.iterdir() if path.is_dir()):
        if f"- {group}:" in root:
            lines += [f"{group}=", *_choices(conf / group), ""]
    settings = root.partition("- _self_")[2].partition("\nhydra:")[0].strip("\n")
    lines += [
        "settings (with their defaults):",
        *(f"  {line}" for line in settings.splitlines() if "- " not in line),
        "",
    ]
    lines += ["examples:", *(f"  {example}" for example in EXAMPLES[name]), ""]
    lines += [
        "Any value can be changed: model.dropout=0.3. `--cfg job` prints the whole config, `-m a=1,2` runs a grid,",
        'eval "$(python train.py -sc install=bash)" switches Tab completion on, `--hydra-help` says more.',
    ]
    return "\n".join(lines)


def _choices(folder: Path) -> list[str]:
    files = sorted(folder.glob("*.yaml"))
    width = max((len(path.stem) for path in files), default=0)
    return [f"  {path.stem:<{width}}  {_summary(path)}" for path in files]


def _summary(path: Path) -> str:
    """Return the first comment line of a YAML file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((line.lstrip("# ") for line in lines if line.startswith("# ") and "@package" not in line), "")
