"""`python -m fer graph`: draw a run's network."""

from pathlib import Path

from fer import artifact
from fer.runs.graph import GraphRun


def graph(run: GraphRun) -> None:
    """Write the drawing and print the table."""
    folder = artifact.find(run.run)
    folder.passport()
    from fer.deployment.graph import write
    from fer.nn.weights import load_network

    network = load_network(folder.model)
    files = write(network, Path(run.output) if run.output else folder.path / "graph")
    print(files[0].read_text(), end="")
    print(f"in {', '.join(map(str, files))}")
    if files[-1].suffix != ".svg":
        print("graphviz is not on the PATH (apt-get install graphviz), so there is no picture")
