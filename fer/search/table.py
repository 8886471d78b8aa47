"""A table of runs in three forms: for the terminal, as CSV and as a self-contained HTML page."""

import csv
import html
import os.path
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fer.artifact import replacing, write_text

Row = Mapping[str, Any]

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
div { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap }
th, td { border-bottom: 1px solid #8884; padding: .3rem .8rem; text-align: left }
td.number { text-align: right }
tr.best { font-weight: 600; background: #009e7322 }
img { max-width: 100% }
"""


def columns(rows: Sequence[Row]) -> list[str]:
    """Return the keys of all rows, in the order of their first appearance."""
    return list(dict.fromkeys(key for row in rows for key in row))


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write all columns, unrounded."""
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns(rows))
        writer.writeheader()
        writer.writerows(rows)


def write_html(path: Path, title: str, rows: Sequence[Row], *, best: int | None, below: str = "") -> None:
    """Write a page with the table; a column "folder" becomes links.

    Args:
        path: the page.
        title: its heading.
        rows: the table.
        best: the row that is marked; None for none.
        below: HTML that follows the table.
    """
    write_text(
        path,
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>{html.escape(title)}</title><style>{STYLE}</style><h1>{html.escape(title)}</h1>"
        f"{html_table(path, rows, best=best)}{below}</html>\n",
    )


def html_table(page: Path, rows: Sequence[Row], *, best: int | None = None) -> str:
    """Return the table alone, as part of a page."""
    keys = columns(rows)
    head = "".join(f"<th>{html.escape(key)}</th>" for key in keys)
    lines = []
    for index, row in enumerate(rows):
        cells = "".join(_cell(page, key, row.get(key)) for key in keys)
        lines.append(f"<tr{' class=best' if index == best else ''}>{cells}</tr>")
    return f"<div><table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"


def _cell(page: Path, key: str, value: Any) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    text = html.escape(shown(value))
    if key == "folder" and value:
        folder = Path(value)
        target = folder / "report/report.html" if (folder / "report/report.html").exists() else folder
        link = os.path.relpath(target.resolve(), page.parent.resolve())
        text = f"<a href='{html.escape(link)}'>{text}</a>"
    return f"<td{' class=number' if number else ''}>{text}</td>"


def shown(value: Any) -> str:
    """Write a value as a reader wants it: four digits that count, nothing for nothing."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def print_rows(rows: Sequence[Row], *, best: int | None, most: int = 30) -> None:
    """Print the table without the folders, or its first rows; a star marks the best."""
    keys = [key for key in columns(rows) if key != "folder"]
    cells = [["", *keys]]
    cells += [
        ["*" if i == best else "", *(shown(row.get(key))[:60] for key in keys)] for i, row in enumerate(rows[:most])
    ]
    numbers = [all(isinstance(row.get(key), int | float | None) for row in rows) for key in keys]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        sides = zip(line, widths, [False, *numbers], strict=True)
        print("  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in sides).rstrip())
    if len(rows) > most:
        print(f"... and {len(rows) - most} more rows")
