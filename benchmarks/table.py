"""The tables of ``benchmarks/README.md`` from the CSV files in ``results``, as Markdown.

    python benchmarks/table.py

Of cards and digits they have the measures with a goal; of simulated images and movies, all of them;
of strain, the means over seeds.
"""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import fmean

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


def strain() -> str:
    """Strain by case and dose, as Markdown: means over seeds, and the ratio of each seed."""
    with (HERE / "results" / "strain.csv").open(newline="") as file:
        listed = list(csv.DictReader(file))
    wanted = ("neighbours", "GPA", "model", "GPA-patch")
    head = ("case", "dose", *wanted, "neighbours ÷ GPA by seed", "beyond 2 errors")
    lines = []
    for case, dose in dict.fromkeys((row["case"], row["dose"]) for row in listed):
        own = [row for row in listed if (row["case"], row["dose"]) == (case, dose)]
        cells, of_method = [], {}
        for method in wanted:
            rows = [row for row in own if row["method"] == method]
            error = [float(row["rmse_far_percent"]) for row in rows]
            inside = [float(row["coverage_strain"]) for row in rows]
            of_method[method] = {row["seed"]: value for row, value in zip(rows, error, strict=True)}
            few = "" if len(rows) > 2 else f", seed {' '.join(row['seed'] for row in rows)}"
            cells.append(f"{fmean(error):.2f} ({fmean(inside):.2f}{few})" if rows else "")
        ratio = [f"{of_method['neighbours'][k] / v:.2f}" for k, v in of_method["GPA"].items()]
        beyond = [r["beyond_2"] for r in own if r["method"] == "neighbours" and r["beyond_2"]]
        told = f"{fmean(map(float, beyond)):.3f}" if beyond else ""
        lines.append([case, dose, *cells, " ".join(ratio), told])
    return markdown(head, lines)


def speed(name: str) -> str:
    """All duels of ``speed.csv`` or ``speed-gpu.csv``, as Markdown."""
    with (HERE / "results" / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    measured = ("seconds", "spread", "CPU seconds", "MiB", "reached", "ratio")
    head = ("case", "contender", *measured, "goal", "holds", "repeats", "size")
    said = {"true": "yes", "false": "**no**"}
    cells = [
        [
            *(row[key] for key in ("case", "contender", "seconds", "spread", "cpu_seconds")),
            *(row[key] for key in ("memory_mib", "reached", "ratio", "goal")),
            said.get(row["holds"], ""),
            *(row[key] for key in ("repeats", "size")),
        ]
        for row in rows
    ]
    return markdown(head, cells)


def gpu() -> str:
    """Ways of training on a GPU, as Markdown."""
    with (HERE / "results" / "gpu.csv").open(newline="") as file:
        rows = [list(row.values())[:-1] for row in csv.DictReader(file)]
    head = ("model", "members", "way", "step (ms)", "training (s)", "bound")
    return markdown(head, rows)


def overhead() -> str:
    """What the workflow itself costs, as Markdown."""
    with (HERE / "results" / "overhead.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    said = {"true": "yes", "false": "**no**"}
    keys = ("what", "seconds", "cpu_seconds", "memory_mib", "goal")
    return markdown(
        ("what", "seconds", "CPU seconds", "MiB", "goal", "holds"),
        [[*(row[key] for key in keys), said.get(row["holds"], "")] for row in rows],
    )


def main() -> None:
    page = HERE / "README.md"
    tables = {
        "table": table(),
        "table of stem": simulated("stem.csv"),
        "table of movies": simulated("movies.csv"),
        "table of strain": strain(),
        "table of speed": speed("speed.csv"),
        "table of speed on a GPU": speed("speed-gpu.csv"),
        "table of a GPU": gpu(),
        "table of overhead": overhead(),
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
