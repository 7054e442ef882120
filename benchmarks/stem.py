"""Phases and defects of simulated STEM images, found without labels, over seeds.

    python benchmarks/stem.py [CASE …] [--seeds 6 7 8] [--members 2]

Each case takes a model of a bundled recipe as it stands. The table is printed and written to
``benchmarks/results/stem.csv``.
"""

from __future__ import annotations

from simulated import Case, run

DEFECTS = "graphene?silicon=0.015&holes=3&size=640"
CASES = {
    "nio-lsmo": Case("nio-lsmo", "atoms", "jrvae", {"phase_accuracy": 0.98}),
    "perovskite": Case("perovskite", "atoms", "jrvae", {"phase_accuracy": 0.98}),
    "graphene-modes": Case(
        DEFECTS, "defects", "rvae", {"defect_macro_f1_of_modes": 0.9, "modes_found": None}
    ),
    "graphene-classes": Case(DEFECTS, "defects", "jrvae", {"defect_macro_f1": 0.9}),
    "bifeo3-windows": Case("bifeo3", "windows", "rtvae", {"angle_median_error_deg": None}),
}

if __name__ == "__main__":
    run(__doc__.splitlines()[0], CASES, "stem.csv", members=2)
