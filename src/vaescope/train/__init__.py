"""Fitting ensembles: ``fit`` trains members, ``combine`` gathers them from several jobs."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope import store
from vaescope.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import torch
    import xarray as xr

FEWEST_SITES = 16
"""Below this a model cannot learn what varies: it would remember every patch."""

SITES_PER_CLASS = 4
"""Fewer do not tell a class from chance."""


def fit(
    patches: xr.Dataset,
    settings: dict[str, Any],
    *,
    members: Sequence[int],
    seed: int,
    out: Path,
    checkpoints: Path,
    threads: int = 1,
    log: Callable[[str], None] = print,
) -> None:
    """Train ensemble members; write ``member-K.safetensors`` and ``history.csv`` into ``out``.

    Parameters
    ----------
    patches : the Dataset of ``patches.zarr``.
    settings : the recipe's model settings (see ``models.settings.Settings``).
    members : numbers of the members to train; each has random numbers of its own.
    seed : the recipe's seed.
    out : folder to write.
    checkpoints : folder of checkpoints; a training that was killed goes on from them, to the same
        weights as an uninterrupted one. Removed at the end.
    threads : members trained at once on a CPU.

    Raises
    ------
    UserError : fewer than ``FEWEST_SITES`` patches, too few for the classes, or settings that no
        model has.
    """
    import torch

    from vaescope.models.settings import Settings
    from vaescope.train import checkpoint
    from vaescope.train.fitting import Fitting

    chosen = Settings.from_recipe(settings)
    data = training_patches(patches, chosen, seed)
    device = best_device()
    if device.type == "cpu":
        log(f"no GPU here: training on the CPU, {threads} members at once")
        groups = [[member] for member in members]
    else:
        log(f"training all {len(members)} members at once on {torch.cuda.get_device_name(device)}")
        groups = [list(members)]
    key = store.digest([chosen.as_dict(), seed, hashlib.sha256(data.tobytes()).hexdigest()])
    checkpoints.mkdir(parents=True, exist_ok=True)

    def train_group(group: list[int]) -> list[tuple[dict[str, torch.Tensor], dict[str, Any]]]:
        if device.type == "cpu":
            torch.set_num_threads(1)  # counted per calling thread
        path = checkpoints / f"members-{'-'.join(map(str, group))}.safetensors"
        fitting = Fitting(
            torch.from_numpy(data), chosen, members=group, seed=seed, device=device, key=key
        )
        if fitting.resume(path):
            log(f"members {group}: going on from step {fitting.step}")
        fitting.run(path, log)
        fitting.save(path)
        histories.extend(fitting.history)
        return [(fitting.member_state(k), fitting.facts(k)) for k in range(len(group))]

    histories: list[dict[str, Any]] = []
    out.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        for results in pool.map(train_group, groups):
            for state, facts in results:
                checkpoint.save(out / f"member-{facts['member']}.safetensors", state, facts)
    write_history(histories, out / "history.csv")
    for file in checkpoints.glob("members-*.safetensors"):
        file.unlink()
    if not any(checkpoints.iterdir()):
        checkpoints.rmdir()


def training_patches(patches: xr.Dataset, settings: Any, seed: int) -> np.ndarray:
    """Patches (site, channel, side, side) to train on: all, or a random choice of ``max_sites``."""
    import numpy as np

    count = patches.sizes["site"]
    if count < FEWEST_SITES:
        raise UserError(
            "too few sites to train a model",
            found=f"{count} patches",
            expected=f"at least {FEWEST_SITES}",
            remedy="Lower `sites.threshold` or `patches.size` in the recipe, or use a larger image",
        )
    if count < SITES_PER_CLASS * settings.classes:
        raise UserError(
            "too few sites for so many classes",
            found=f"{count} patches and {settings.classes} classes",
            expected=f"at least {SITES_PER_CLASS} patches for each class",
            remedy="Lower `classes` of the model in the recipe, or use a larger image",
        )
    if count <= settings.max_sites:
        return np.ascontiguousarray(patches["patch"].values, dtype=np.float32)
    rows = np.sort(np.random.default_rng(seed).choice(count, settings.max_sites, replace=False))
    return np.ascontiguousarray(patches["patch"].isel(site=rows).values, dtype=np.float32)


def best_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def combine(parts: Sequence[Path], members: Path, history: Path) -> None:
    """Gather the members and histories of all parts of an ensemble in one folder and one table.

    Raises
    ------
    UserError : a part is empty, or two parts hold the same member.
    """
    rows: list[dict[str, Any]] = []
    with store.replace_atomically(members) as beside:
        beside.mkdir()
        for part in parts:
            files = sorted(part.glob("member-*.safetensors"))
            if not files:
                raise UserError(
                    "no trained members here", file=part, remedy="Run the training again"
                )
            for file in files:
                target = beside / file.name
                if target.exists():
                    raise UserError("this member was trained twice", file=file)
                target.write_bytes(file.read_bytes())
            with (part / "history.csv").open(newline="") as table:
                rows.extend(csv.DictReader(table))
    write_history(rows, history)


def write_history(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the history of training as CSV, ordered by member and step."""
    rows = sorted(rows, key=lambda row: (int(row["member"]), int(row["step"])))
    with store.replace_atomically(path) as beside, beside.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
