"""Atoms of simulated movies of graphene: are they followed, and are their defects told apart?

Nothing is labelled. Every class is named after the defect that most of its sites have.

    python benchmarks/movies.py [SEEDS] [NAME=VALUE of the jrvae ...]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from vaescope import analyse, config, patches, simulate, sites, train

ROOT = Path(__file__).parents[1]
SOURCE = "graphene-movie?frames=14&size=200&silicon=0.03&fourfold=0&holes=2&hole=1.5"
MEMBERS = 4
SHOWN = (
    "recall",
    "link_recall",
    "link_precision",
    "track_purity",
    "identity_switches",
    "defect_macro_f1",
)
GOALS = {"defect_macro_f1": 0.9}


def settings(given: list[str]) -> dict:
    """Settings of the jrvae of the recipe `movie`, with what is given beside it."""
    schema = config.read_yaml(ROOT / "workflow" / "schemas" / "recipe.schema.yaml")
    recipe = config.resolve_recipe("movie", [ROOT / "config" / "recipes"], schema)
    own = dict(recipe["models"]["jrvae"])
    for pair in given:
        name, _, value = pair.partition("=")
        own[name] = json.loads(value)
    return own


def measure(seed: int, chosen: dict) -> dict[str, float]:
    """Scores of one movie."""
    start = time.monotonic()
    image = simulate.make(SOURCE, seed)
    found = sites.find(image, {"track": True})
    scores = json.loads(found.attrs["truth_scores"])
    cut = patches.extract(image, found, {})
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        train.fit(
            cut,
            chosen,
            members=range(MEMBERS),
            seed=seed,
            out=out / "members",
            checkpoints=out / "checkpoints",
            log=lambda _: None,
        )
        latents = analyse.map_latents(out / "members", cut, found, chosen, name="jrvae")
    scores |= json.loads(latents.attrs["scores"])
    return scores | {"patches": cut.sizes["site"], "seconds": time.monotonic() - start}


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    chosen = settings(sys.argv[2:])
    rows = []
    for seed in range(count):
        rows.append(measure(seed, chosen))
        print(f"seed {seed}: {json.dumps(rows[-1])}", file=sys.stderr, flush=True)
    each = sorted({name for row in rows for name in row if name.startswith("defect_f1_")})
    print("| measure | " + " | ".join(f"seed {k}" for k in range(count)) + " | mean | goal |")
    print("| --- |" + " ---: |" * (count + 2))
    for name in (*SHOWN, *each, "patches", "seconds"):
        values = [row[name] for row in rows if name in row]
        cells = [f"{row[name]:.3f}" if name in row else "–" for row in rows]
        if name in ("identity_switches", "patches", "seconds"):
            cells = [f"{row[name]:.0f}" for row in rows]
        goal = f"≥ {GOALS[name]}" if name in GOALS else ""
        mean = sum(values) / len(values)
        print(f"| {name.replace('_', ' ')} | {' | '.join(cells)} | {mean:.3f} | {goal} |")


if __name__ == "__main__":
    main()
