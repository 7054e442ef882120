"""Atoms of simulated movies of graphene: are they followed, and are their defects told apart?

    python benchmarks/movies.py [CASE …] [--seeds 6 7 8] [--members 4]

Each case takes a model of the recipe `movie` as it stands and counts the atoms by its classes or by
the modes of its latents. The table is printed and written to ``benchmarks/results/movies.csv``.
Changes are those of true atoms from frame to frame: the share of the true ones that are found, and
the share of those found that are true.
"""

from __future__ import annotations

from simulated import Case, run

SOURCE = "graphene-movie?frames=14&size=200&silicon=0.03&fourfold=0&holes=2&hole=1.5"
FULL = "graphene-movie"  # 20 frames of 256 px
LINKS: dict[str, float | None] = dict.fromkeys(
    ("recall", "link_recall", "link_precision", "track_purity", "identity_switches")
)
KINDS: dict[str, float | None] = {
    "defect_macro_f1_of_movie": 0.9,
    "modes_found": None,
    "change_recall": None,
    "change_precision": None,
}
POSES: dict[str, float | None] = {
    "angle_median_error_deg": None,
    "angle_share_within_3_deg": None,
    "angle_median_spread_deg": None,
    "explained_fraction": None,
}
CASES = {
    "movie-modes": Case(SOURCE, "movie", "rvae", LINKS | KINDS),
    "movie-classes": Case(SOURCE, "movie", "jrvae", KINDS, movie={"kinds": "classes"}),
    "movie-full-rvae": Case(FULL, "movie", "rvae", POSES | KINDS),
    "movie-full-skip-rvae": Case(FULL, "movie", "skip-rvae", POSES | KINDS),
}

if __name__ == "__main__":
    run(__doc__.splitlines()[0], CASES, "movies.csv", members=4)
