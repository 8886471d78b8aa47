"""`python -m fer combine`: several finished runs as one that is judged, exported and used like any other."""

import sys
from pathlib import Path
from typing import Any

from fer import artifact
from fer.config import restore
from fer.errors import ConfigError
from fer.runs.combine import CombineRun
from fer.task import task_of


def combine(run: CombineRun) -> None:
    """Combine the runs, judge the result on validation and test, and leave a run folder."""
    members = [artifact.find(name) for name in run.runs]
    passports = [member.passport() for member in members]
    for key in ("contract", "splits"):
        if any(passport[key] != passports[0][key] for passport in passports):
            raise ConfigError(f"runs: expected runs of the same data, but they differ in {key}; choose others")
    first = passports[0]
    dataset = restore("dataset", first["recipes"]["dataset"], first["config"]["dataset"], {})
    folder = artifact.RunFolder(Path(run.folder))
    folder.begin()
    run.runtime.apply(seed=0)
    from fer.evaluation.judge import judge  # imports Keras, whose backend is chosen by now
    from fer.nn.ensembles import averaged, ensemble
    from fer.nn.weights import load_network
    from fer.training import save_network

    networks = [load_network(member.model) for member in members]
    network = averaged(networks) if run.by == "weights" else ensemble(networks)
    task, score = task_of(dataset.spec()), task_of(dataset.spec()).score
    passport: dict[str, Any] = {
        **{key: first[key] for key in ("contract", "recipes", "config", "choices", "seed", "splits")},
        **artifact.environment(),
        "name": run.name,
        "command": " ".join(sys.argv),
        "combined": {"by": run.by, "runs": [_brief(*each) for each in zip(members, passports, strict=True)]},
        "parameters": network.count_params(),
        "backend": run.runtime.backend,
        "device": run.runtime.hardware(),
    }
    save_network(network, folder)
    splits = {split: dataset.load(split) for split in dataset.available()}
    common: dict[str, Any] = {
        "history": [],
        "facts": passport,
        "batch_size": run.batch_size,
        "others": splits,
        "folder": folder.path,
    }
    chosen = judge(
        network,
        task,
        splits["validation"],
        split="validation",
        output=folder.path / "report_validation",
        **common,
    )
    passport["monitor"] = {"name": f"val_{score}", "value": chosen[score]}
    metrics = chosen
    if "test" in splits:
        metrics = judge(network, task, splits["test"], split="test", output=folder.report, **common)
    judged = "test" if "test" in splits else "validation"
    folder.finish({**passport, "judged": judged, "metrics": metrics})


def _brief(member: artifact.RunFolder, passport: dict[str, Any]) -> dict[str, Any]:
    return {"folder": str(member.path), **{key: passport[key] for key in ("name", "seed", "weights_sha256")}}
