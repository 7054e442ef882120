"""The solver of lattices of polarisation: seconds, its limits on this machine, and FerroSim beside.

    python benchmarks/ferrosim.py [--repeats 5] [--surface 10000]
        [--peer FOLDER --python PYTHON]

Lattices of 20 x 20 sites follow 950 steps of fields as in the lecture on FerroSim: 150 Ec times a
growing or fading oscillation along x, one site in ten a defect. Seconds are of the processor, on
one core, for one lattice in a batch of 1024, in float32 and float64, and of a whole ``--surface``.

The limits are measured in the same run. Memory: the bytes that the operations of a step read and
write, at the rate of one addition of arrays of a block's size (the fastest of many). Arithmetic:
the operations on numbers of a step, at the rate of a product of matrices.

``--peer`` is the folder of a checkout of ramav87/FerroSim (branch rama_dev_updated), ``--python``
one with numpy, numba, matplotlib and tqdm. It follows the first of the fields with every site
updated in every step; its polarisation is compared with ours `as_published`.
``results/ferrosim.csv`` holds the table.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vaescope import numerics
from vaescope.simulate import ferrosim, relaxation

TABLE = Path(__file__).parent / "results" / "ferrosim.csv"
SIDE, STEPS, BATCH = 20, 949, 1024
TIMES = np.linspace(0, 4, 1200)[: STEPS + 1]

# Of one step, in states (component, y, x) read or written: start 1, four neighbours 3 each but for
# one row in twenty and the rims 0.6, square 2, sum of squares 1.5, mixture 2.5, cubic and linear
# term 4, mean 1, field 2.
PASSES = 1 + 4 * 3 * 0.95 + 0.6 + 2 + 1.5 + 2.5 + 4 + 1 + 2
# Of one site and step, both components: neighbours 16, square 4, sum 1, mixture 6, terms 6, mean 2,
# field 2.
OPERATIONS = 16 + 4 + 1 + 6 + 6 + 2 + 2

PEER = """
import json, sys, time
import numpy as np
given = np.load(sys.argv[2])
sys.path.insert(0, sys.argv[1])
from ferrosim import Ferro2DSim
began = time.process_time()
simulation = Ferro2DSim(
    n=int(given["side"]), k=100, dep_alpha=0.3, mode="tetragonal", stochastic=False,
    time_vec=given["times"], appliedE=given["field"],
    defects=[tuple(each) for each in given["defects"]],
)
simulation.runSim(verbose=False)
seconds = time.process_time() - began
last = simulation.getPmat(len(given["times"]) - 1)
print(json.dumps({"seconds": seconds, "last": last.tolist()}))
"""


def fields(batch: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Fields (batch, time, 2) and defects (site, 2), in units of Ec."""
    rng = np.random.default_rng(seed)
    growth, frequency = rng.uniform(-2.75, 2.75, (batch, 1)), rng.uniform(2, 8 / 3, (batch, 1))
    curve = np.exp(growth * TIMES / 4) * np.sin(np.pi * frequency * TIMES)
    field = np.zeros((batch, STEPS + 1, 2))
    field[..., 0] = 150 * curve / np.abs(curve).max(axis=1, keepdims=True)
    field[:, -50:] = field[:, -51:-50]
    defects = rng.normal(0, 20, (SIDE**2, 2)) * (rng.random((SIDE**2, 1)) < 0.1)
    return field, defects


def seconds_of(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def rates(dtype: torch.dtype) -> tuple[float, float]:
    """Bytes per second of an addition of blocks, and operations per second of a product."""
    size = torch.empty((), dtype=dtype).element_size()
    one, other, out = (torch.ones(relaxation._BLOCK // size, dtype=dtype) for _ in range(3))
    left = torch.randn(768, 768, dtype=dtype)
    fastest = [_fastest(lambda: torch.add(one, other, out=out)), _fastest(lambda: left @ left)]
    return 3 * relaxation._BLOCK / fastest[0], 2 * 768**3 / fastest[1]


def _fastest(work: Callable[[], Any]) -> float:
    return min(seconds_of(lambda: [work() for _ in range(20)]) / 20 for _ in range(30))


def measured(dtype: str, repeats: int) -> dict[str, Any]:
    """One row of the table."""
    field, defects = fields(BATCH)
    run = [
        seconds_of(lambda: ferrosim.run(field, TIMES, defects, SIDE, dtype=dtype)) / BATCH
        for _ in range(repeats + 1)
    ][1:]
    kind = getattr(torch, dtype)
    memory, arithmetic = rates(kind)
    size = torch.empty((), dtype=kind).element_size()
    through_memory = PASSES * 2 * SIDE**2 * size * STEPS / memory
    through_units = OPERATIONS * SIDE**2 * STEPS / arithmetic
    typical = statistics.median(run)
    return {
        "what": f"one of {BATCH}, {dtype}",
        "cpu (s)": round(typical, 6),
        "worst (s)": round(max(run), 6),
        "memory (GB/s)": round(memory / 1e9, 1),
        "limit of memory (s)": round(through_memory, 6),
        "share of it": round(through_memory / typical, 2),
        "arithmetic (GFLOP/s)": round(arithmetic / 1e9, 1),
        "limit of arithmetic (s)": round(through_units, 6),
        "share of that": round(through_units / typical, 2),
    }


def surface(points: int) -> dict[str, Any]:
    field, defects = fields(points, seed=1)

    def work() -> None:
        end = ferrosim.run(field, TIMES, defects, SIDE)
        np.abs(ferrosim.curl(end)).sum(axis=(1, 2))

    return {"what": f"surface of {points}, float32", "cpu (s)": round(seconds_of(work), 2)}


def peer(folder: Path, python: str, repeats: int, ours: float) -> dict[str, Any]:
    field, defects = fields(1)
    seconds = []
    with tempfile.TemporaryDirectory() as place:
        given = Path(place) / "given.npz"
        np.savez(given, field=field[0], defects=defects, times=TIMES, side=SIDE)
        for _ in range(repeats):
            ended = subprocess.run(
                [python, "-c", PEER, folder, given], capture_output=True, text=True, check=True
            )
            said = json.loads(ended.stdout.splitlines()[-1])
            seconds.append(said["seconds"])
    typical = statistics.median(seconds)
    own = ferrosim.run(field, TIMES, defects, SIDE, as_published=True)[0]
    away = float(np.abs(own - np.asarray(said["last"])).max())
    print(f"FerroSim and ours as published differ by {away:.1e} at most")
    return {
        "what": "FerroSim, one",
        "cpu (s)": round(typical, 3),
        "worst (s)": round(max(seconds), 3),
        "over ours": round(typical / ours),
    }


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    given.add_argument("--repeats", type=int, default=5)
    given.add_argument("--surface", type=int, default=10_000)
    given.add_argument("--peer", type=Path)
    given.add_argument("--python", default="python3")
    options = given.parse_args()
    numerics.one_thread()
    rows = [measured(dtype, options.repeats) for dtype in ("float32", "float64")]
    if options.surface:
        rows.append(surface(options.surface))
    if options.peer:
        ours = rows[0]["cpu (s)"]
        rows.append(peer(options.peer.resolve(), options.python, options.repeats, ours))
    names = list(dict.fromkeys(name for row in rows for name in row))
    with TABLE.open("w", newline="") as file:
        table = csv.DictWriter(file, names, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    for row in rows:
        print(", ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
