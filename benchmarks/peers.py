"""Peers beside ours: the same patches, one thread each, scored by the same code.

    python benchmarks/peers.py PEER_PYTHON [CASE …] [--seeds 0 1 2 3 4] [--count N] [--pixels P]
                               [--budget SECONDS] [--mnist FILE] [--target-vae CLONE]

Cases and our models are those of ``family.py``, as single trainings. A peer is trained epoch after
epoch in an environment of its own until SECONDS of training have passed, by default ten times what
ours took on the same patches. Finished trainings are remembered in ``benchmarks/results/runs`` for
the commit and the options they were made with. The table is printed, and written to
``benchmarks/results/peers.csv``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import cases
import family
import numpy as np
import rows as table

TRAIN = Path(__file__).with_name("peer_train.py")
PATIENCE = 10  # times our seconds that a peer may take
EPOCHS, SECONDS = "epochs", "seconds of training"
SPENT = (EPOCHS, SECONDS)


@dataclass(frozen=True)
class Peer:
    """A model of a peer: its name in tables, the model for ``peer_train.py``, its options."""

    name: str
    model: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Duel:
    """The peers that meet the model of a case of ``family.py``."""

    peers: tuple[Peer, ...]
    judge: Callable[[Any, Any], dict[str, float]]


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    python: str
    count: int | None
    pixels: int | None
    steps: int | None
    budget: float | None
    mnist: str | None
    clone: str | None

    @property
    def words(self) -> str:
        """The options that change the data or the training, as they were given."""
        given = {k: getattr(self, k) for k in ("count", "pixels", "steps", "budget")}
        return "".join(f" --{k} {v:g}" for k, v in given.items() if v is not None)


def upright_digits(latents: Any, data: Any) -> dict[str, float]:
    from vaescope.scores.truth import matched_accuracy

    found = latents["consensus_class"].values
    return {"digit accuracy": matched_accuracy(found, cases.truth(latents, "label"))}


# The poses, classes and latents that the peers' own documentation uses, but for the turned digits,
# where they have as many latents as ours.
TURNED = Peer("pyroVED iVAE", "ivae", {"latent_dim": 2, "invariances": ["r"]})
SUITS = Peer("pyroVED jiVAE", "jivae", {"latent_dim": 2, "discrete_dim": 4, "invariances": ["r"]})
TURNED_DIGITS = Peer("pyroVED iVAE", "ivae", {"latent_dim": 8, "invariances": ["r", "t"]})
DIGITS = Peer(
    "pyroVED jiVAE", "jivae", {"latent_dim": 2, "discrete_dim": 10, "invariances": ["r", "t"]}
)
TARGET_VAE = Peer("TARGET-VAE", "target-vae", {"latent_dim": 8})

DUELS = {
    "cards2-rvae": Duel((TURNED,), cases.pose_of_cards),
    "cards3-rvae": Duel((TURNED,), cases.pose_of_cards),
    "cards4-rvae": Duel((TURNED,), cases.pose_of_cards),
    "cards3-jrvae": Duel((SUITS,), cases.suits),
    "mnist-rvae": Duel((TURNED_DIGITS, TARGET_VAE), cases.turned_digits),
    "mnist-jrtvae": Duel((DIGITS,), upright_digits),
}


def train_peer(
    python: str,
    model: str,
    patches: np.ndarray,
    options: dict[str, Any],
    seed: int,
    *,
    seconds: float | None = None,
    epochs: int | None = None,
) -> dict[str, np.ndarray]:
    """Train a peer's model on patches (site, side, side) from 0 to 1 in its own environment.

    Returns what ``peer_train.py`` writes: ``angle``, ``content``, perhaps ``class``, and ``spent``.
    """
    limit = ["--epochs", str(epochs)] if epochs else ["--seconds", str(seconds)]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "patches.npy")
        out = Path(folder, "found")
        out.mkdir()
        np.save(data, patches, allow_pickle=False)
        command = [python, str(TRAIN), model, str(data), str(out), "--seed", str(seed), *limit]
        command += ["--options", json.dumps(options)]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        return {path.stem: np.load(path, allow_pickle=False) for path in out.iterdir()}


def as_latents(found: dict[str, np.ndarray], cut: Any) -> Any:
    """What a peer found, under the names that the judges know from our own latents."""
    import xarray as xr

    known = {name: cut[name] for name in cut if str(name).startswith("truth_")}
    latents = xr.Dataset(known)
    latents["consensus_angle"] = ("site", found["angle"])
    latents["consensus_content"] = (("site", "latent"), found["content"])
    if "class" in found:
        latents["consensus_class"] = ("site", found["class"])
    return latents


def our_case(name: str, steps: int | None) -> cases.Case:
    """A case of ``family.py`` as a single training, perhaps a shorter one."""
    case = cases.CASES[name]
    changes = case.changes | ({"steps": steps} if steps else {})
    return replace(case, members=1, changes=changes)


def ours(name: str, seed: int, asked: Asked, cut: Any) -> dict[str, float]:
    """What our model scores."""
    from vaescope.models.settings import ModelSettings

    case = our_case(name, asked.steps)
    settings = ModelSettings.from_recipe(family.settings_of(case))
    latents, seconds = family.trained(case, cut, seed)
    epochs = settings.steps * settings.batch / cut.sizes["site"]
    return {**DUELS[name].judge(latents, None), EPOCHS: epochs, SECONDS: seconds}


def theirs(
    name: str, peer: Peer, seed: int, asked: Asked, cut: Any, seconds: float
) -> dict[str, float]:
    """What a peer's model scores after the epochs that end ``seconds`` of training."""
    # Their likelihood is defined from 0 to 1 only.
    patches = np.clip(cut["patch"].values[:, 0], 0, 1)
    options = peer.options | ({"clone": asked.clone} if peer is TARGET_VAE else {})
    found = train_peer(asked.python, peer.model, patches, options, seed, seconds=seconds)
    epochs, spent = (float(value) for value in found["spent"])
    scores = DUELS[name].judge(as_latents(found, cut), None)
    return {**scores, EPOCHS: epochs, SECONDS: spent}


def remembered(memory: Path, make: Callable[[], dict[str, float]]) -> dict[str, float]:
    """The numbers of one training: from its file, or made now."""
    if not memory.exists():
        found = make()
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps(found, indent=1) + "\n")
    return json.loads(memory.read_text())


def duel(name: str, seed: int, asked: Asked, version: str) -> dict[str, dict[str, float]]:
    """All scores of one case and seed, by the name of the peer; ours under an empty one."""
    cut = family.prepared(our_case(name, asked.steps), seed, asked.mnist, asked.count, asked.pixels)
    folder = family.OUT / "runs" / version / "peers"
    stem = f"{name}-{seed}{asked.words}".replace(" --", "-").replace(" ", "=")
    mine = remembered(folder / f"{stem}.json", lambda: ours(name, seed, asked, cut))
    out = {"": mine}
    seconds = PATIENCE * mine[SECONDS] if asked.budget is None else asked.budget
    for peer in DUELS[name].peers:
        if peer is TARGET_VAE and not asked.clone:
            continue
        memory = folder / f"{stem}-{peer.name.replace(' ', '-')}.json"
        out[peer.name] = remembered(memory, partial(theirs, name, peer, seed, asked, cut, seconds))
    for who, scores in out.items():
        words = ", ".join(f"{key} {value:.4g}" for key, value in scores.items())
        print(f"{name}, seed {seed}, {who or 'ours'}: {words}", flush=True)
    return out


def row_of(
    name: str, measure: str, peer: str, pairs: list[tuple[float, float]], asked: Asked, version: str
) -> dict[str, Any]:
    """One row of the table, from the values of ours and of the peer for every seed."""
    down = "error" in measure or measure in SPENT
    values = [mine for mine, _ in pairs]
    better = all(mine < other if down else mine > other for mine, other in pairs)
    return {
        "case": name,
        "measure": measure,
        "ours_mean": f"{np.mean(values):.4g}",
        "ours_worst": f"{max(values) if down else min(values):.4g}",
        "seeds": len(pairs),
        "peer": peer,
        "peer_value": f"{np.mean([other for _, other in pairs]):.4g}",
        "goal": "",
        # The budget decides how long a peer takes: that is no contest.
        "holds": "" if measure in SPENT else str(better).lower(),
        "command": f"python benchmarks/peers.py PEER_PYTHON {name}{asked.words}",
        "commit": version,
    }


def rows_of(
    name: str, runs: list[dict[str, dict[str, float]]], asked: Asked, version: str
) -> list[dict[str, Any]]:
    """The rows of a case: every measure against every peer."""
    rows = []
    for peer in filter(None, runs[0]):
        for measure in runs[0][peer]:
            pairs = [(run[""][measure], run[peer][measure]) for run in runs]
            rows.append(row_of(name, measure, peer, pairs, asked, version))
    return rows


def table_of(rows: list[dict[str, Any]]) -> str:
    """The rows side by side, with what the trainings took."""
    spent = {(r["case"], r["peer"], r["measure"]): r for r in rows if r["measure"] in SPENT}
    head = ("case", "peer", "measure", "ours", "peer's", "ours/peer's", "s ours", "s peer")
    lines = [(*head, "epochs peer", "seeds")]
    for row in rows:
        if row["measure"] in SPENT:
            continue
        took = spent[row["case"], row["peer"], SECONDS]
        epochs = spent[row["case"], row["peer"], EPOCHS]["peer_value"]
        mine, other = float(row["ours_mean"]), float(row["peer_value"])
        ratio = f"{mine / other:.3g}" if min(mine, other) > 0 else "-"
        times = (took["ours_mean"], took["peer_value"], epochs)
        what = (row["case"], row["peer"], row["measure"])
        values = (row["ours_mean"], row["peer_value"], ratio)
        lines.append((*what, *values, *times, str(row["seeds"])))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def main() -> None:
    """Run the cases, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("python", help="the Python of an environment with the peers")
    parser.add_argument("cases", nargs="*", help="all if none is named: " + ", ".join(DUELS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(cases.SEEDS)))
    parser.add_argument("--count", type=int, help="patches, instead of all")
    parser.add_argument("--pixels", type=int, help="samples per side, instead of the recipe's")
    parser.add_argument("--steps", type=int, help="of our training, instead of the recipe's")
    parser.add_argument("--budget", type=float, help="seconds of a peer's training")
    parser.add_argument("--mnist", help="file with `images` and `labels`")
    parser.add_argument("--target-vae", metavar="CLONE", help="folder of a clone of TARGET-VAE")
    parser.add_argument("--out", type=Path, default=family.OUT / "peers.csv")
    given = parser.parse_args()
    names = given.cases or list(DUELS)
    for name in names:
        if name not in DUELS:
            parser.error(f"no case {name!r}; there are {', '.join(DUELS)}")
    asked = Asked(
        python=given.python,
        count=given.count,
        pixels=given.pixels,
        steps=given.steps,
        budget=given.budget,
        mnist=given.mnist,
        clone=given.target_vae,
    )
    version = family.commit()
    every: list[dict[str, Any]] = []
    for name in names:
        runs = [duel(name, seed, asked, version) for seed in given.seeds]
        rows = rows_of(name, runs, asked, version)
        every += rows
        table.replace(given.out, rows, "case", list(DUELS))
    print(table_of(every))


if __name__ == "__main__":
    main()
