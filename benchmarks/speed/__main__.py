"""Speed beside the peers: whole processes, in turns, medians and ratios.

    python benchmarks/speed [CASE …] [--repeats N] [--size SHARE]

Peers are run in environments of their own, made from ``requirements/`` at first use
(``build/peers``). SHARE of the data makes a short trial. Prints a table and writes it to
``benchmarks/results/speed.csv``, or to ``speed-gpu.csv`` where ours trained on a GPU; rows of
other cases stay.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from duels import CASES, Case  # noqa: E402
from rows import replace  # noqa: E402
from timing import Run, interleaved, median, spread  # noqa: E402

RESULTS = HERE.parent / "results"


def passed(course: list[list[float]], bound: float) -> str:
    """When the first contender had this bound, by its course (seconds, bound)."""
    after = next((seconds for seconds, reached in course if reached >= bound), None)
    return f"ours had it after {after:.3g} s" if after is not None else "ours never had it"


def rows_of(
    name: str, case: Case, found: dict[str, list[Run]], size: float
) -> list[dict[str, Any]]:
    """One row for each contender; the last column of the second has the ratio and what it is to be.

    A negative goal is one of the second over the first at most.
    """
    first = next(iter(found.values()))
    rows = []
    for who, runs in found.items():
        low, high = spread(runs, case.value)
        middle = median(runs, case.value)
        ratio = middle / median(first, case.value)
        holds = ratio <= -case.goal if case.goal < 0 else ratio >= case.goal
        said = runs[-1].said
        shown = [f"{key} {said[key]:.4g}" for key in case.shown if key in said]
        if runs is not first and "bound" in said:
            shown.append(passed(first[-1].said.get("course", []), said["bound"]))
        rows.append(
            {
                "case": name,
                "what": case.what,
                "contender": who,
                "seconds": f"{middle:.4g}",
                "spread": f"{low:.4g}-{high:.4g}",
                "cpu_seconds": f"{median(runs, lambda run: run.cpu):.4g}",
                "memory_mib": f"{median(runs, lambda run: run.memory) / 2**20:.0f}",
                "reached": ", ".join(shown),
                "ratio": "" if runs is first else f"{ratio:.3g}",
                "goal": ""
                if runs is first
                else f"{'<=' if case.goal < 0 else '>='} {abs(case.goal):g}",
                "holds": "" if runs is first else str(holds).lower(),
                "repeats": len(runs),
                "size": f"{size:g}",
            }
        )
    return rows


def main() -> None:
    """Run the cases."""
    parser = argparse.ArgumentParser(prog="benchmarks/speed", description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help="all if none is named: " + ", ".join(CASES))
    parser.add_argument("--repeats", type=int, help="instead of the case's own")
    parser.add_argument("--size", type=float, default=1.0, help="share of the data")
    given = parser.parse_args()
    for name in given.cases or CASES:
        if name not in CASES:
            parser.error(f"no case {name!r}; there are {', '.join(CASES)}")
        case = CASES[name]
        with tempfile.TemporaryDirectory() as place:
            lay = [sys.executable, str(HERE / "duels.py"), name, place, str(given.size)]
            subprocess.run(lay, check=True)
            found = interleaved(case.contenders(Path(place)), given.repeats or case.repeats)
        rows = rows_of(name, case, found, given.size)
        on_gpu = any(run.said.get("on_gpu") for runs in found.values() for run in runs)
        table = RESULTS / ("speed-gpu.csv" if on_gpu else "speed.csv")
        replace(table, rows, "case", list(CASES))
        for row in rows:
            print(
                "  ".join(f"{row[key]}" for key in row if key not in ("what", "size")), flush=True
            )


if __name__ == "__main__":
    main()
