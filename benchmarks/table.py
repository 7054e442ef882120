"""The table of cards and digits from ``results/cards.csv`` and ``mnist.csv``, as Markdown.

    python benchmarks/table.py

It replaces the one in ``benchmarks/README.md``: the measures that have a goal.
"""

from __future__ import annotations

import csv
from pathlib import Path

from cases import SEEDS

HERE = Path(__file__).parent
START, END = "<!-- table -->\n", "<!-- end of table -->\n"
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
    """All rows with a goal, as Markdown."""
    rows = [list(COLUMNS), ["---"] * len(COLUMNS)]
    for name in ("cards.csv", "mnist.csv"):
        with (HERE / "results" / name).open(newline="") as file:
            rows += [line(row) for row in csv.DictReader(file) if row["goal"]]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def main() -> None:
    page = HERE / "README.md"
    before, _, rest = page.read_text().partition(START)
    _, _, after = rest.partition(END)
    page.write_text(before + START + table() + END + after)
    print(table(), end="")


if __name__ == "__main__":
    main()
