from fer.search.table import print_rows, shown, write_csv, write_html

ROWS = [
    {"model": "cnn48", "val_accuracy": 0.51234567, "bytes": 1234567, "folder": "runs/a"},
    {"model": "<b>", "val_accuracy": None, "state": "failed", "folder": ""},
]


def test_a_table_in_three_forms(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/a").mkdir(parents=True)
    write_csv(tmp_path / "table.csv", ROWS)
    assert (tmp_path / "table.csv").read_text().splitlines() == [
        "model,val_accuracy,bytes,folder,state",
        "cnn48,0.51234567,1234567,runs/a,",
        "<b>,,,,failed",
    ]
    write_html(tmp_path / "table.html", "Sweep", ROWS, best=0)
    page = (tmp_path / "table.html").read_text()
    assert "<tr class=best><td>cnn48</td><td class=number>0.5123</td>" in page
    assert "<a href='runs/a'>runs/a</a>" in page
    assert "&lt;b&gt;" in page
    print_rows(ROWS, best=0)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["model", "val_accuracy", "bytes", "state"],
        ["*", "cnn48", "0.5123", "1,234,567"],
        ["<b>", "failed"],
    ]
    assert lines[2].index("failed") == lines[0].index("state")


def test_a_long_table_says_how_much_it_leaves_out(capsys):
    print_rows([{"job": number} for number in range(50)], best=None, most=2)
    assert capsys.readouterr().out.splitlines()[-1] == "... and 48 more rows"


def test_values_are_shown_as_people_read_them():
    assert [shown(value) for value in (None, 0.000123456, 12345, 54321.5, "x")] == [
        "",
        "0.0001235",
        "12,345",
        "54,322",
        "x",
    ]
