import shutil

import pytest

from fer.deployment.graph import write
from fer.errors import ConfigError


def network(exported):
    from fer.nn.weights import load_network

    return load_network(exported / "model.keras")


def test_the_table_and_the_drawing_name_every_layer(exported, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "60")  # of a narrow terminal
    drawn = network(exported)
    assert write(drawn, tmp_path / "graph") == [tmp_path / "graph.txt", tmp_path / "graph.dot"]
    table, picture = (file.read_text() for file in (tmp_path / "graph.txt", tmp_path / "graph.dot"))
    for layer in drawn.layers:
        assert layer.name in table and layer.name in picture
    assert "Param #" in table
    assert f"Total params: {drawn.count_params():,}" in table


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs graphviz: apt-get install graphviz")
def test_graphviz_draws_it(exported, tmp_path):
    *_, picture = write(network(exported), tmp_path / "graph")
    assert picture == tmp_path / "graph.svg" and "<svg" in picture.read_text()


def test_what_graphviz_says_is_passed_on(exported, tmp_path, monkeypatch):
    dot = tmp_path / "dot"
    dot.write_text("#!/bin/sh\necho 'Error: out of ink' >&2\nexit 1\n")
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ConfigError, match=r"^graph: graphviz failed: Error: out of ink$"):
        write(network(exported), tmp_path / "graph")
    assert not list(tmp_path.glob("*svg*")), "nothing half-written is left"
