"""The tables of ``benchmarks/README.md`` from the CSV files in ``results``, as Markdown.

    python benchmarks/table.py

Of cards and digits they have the measures with a goal; of simulated images and movies, all of them.
"""

from __future__ import annotations

import csv
from pathlib import Path

from cases import SEEDS

HERE = Path(__file__).parent
END = "<!-- end of table -->\n"
COLUMNS = ("case", "measure", "mean", "worst", "seeds", "peer", "goal", "holds", "commit")


def line(row: dict[str, str]) -> list[str]:
    """The cells of one row of the CSV."""
    peer = f"{row['peer_value']} ({row['peer']})" if row["peer"] else ""
    seeds = int(row["seeds"])
    holds = "yes" if row["holds"] == "true" else "**no**" if seeds >= SEEDS else "too few seeds"
    measure = row["measure"].replace("|", r"\|")
    numbers = [row["ours_mean"], row["ours_worst"], row["seeds"]]
    return [row["case"], measure, *numbers, peer, row["goal"], holds, row["commit"]]


def table() -> str:
    """All rows of cards and digits with a goal, as Markdown."""
    rows = []
    for name in ("cards.csv", "mnist.csv"):
        with (HERE / "results" / name).open(newline="") as file:
            rows += [line(row) for row in csv.DictReader(file) if row["goal"]]
    return markdown(COLUMNS, rows)


def simulated(name: str) -> str:
    """All rows of ``stem.csv`` or ``movies.csv``, as Markdown."""
    with (HERE / "results" / name).open(newline="") as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    said = {"true": "yes", "false": "**no**"}
    cells = [[c, m.replace("_", " "), *rest, said.get(h, h)] for c, m, *rest, h in rows]
    return markdown(("case", "measure", "mean", "worst", "seeds", "goal", "holds"), cells)


def markdown(columns: tuple[str, ...], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [list(columns), ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    page = HERE / "README.md"
    tables = {
        "table": table(),
        "table of stem": simulated("stem.csv"),
        "table of movies": simulated("movies.csv"),
    }
    text = page.read_text()
    for name, cells in tables.items():
        start = f"<!-- {name} -->\n"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(END)
        text = before + start + cells + END + after
        print(cells, end="")
    page.write_text(text)


if __name__ == "__main__":
    main()
