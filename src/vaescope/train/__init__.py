"""Fitting ensembles: ``fit`` trains members, ``combine`` gathers them from several jobs."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope import store
from vaescope.errors import UserError
from vaescope.progress import Progress

if TYPE_CHECKING:
    import torch
    import xarray as xr

    from vaescope.models.family import PhysicsLoss
    from vaescope.models.settings import ModelSettings
    from vaescope.train.data import Data

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
    start: Path | None = None,
    threads: int = 1,
    physics_loss: PhysicsLoss | None = None,
    log: Callable[[str], None] = print,
) -> None:
    """Train ensemble members; write ``member-K.safetensors`` and ``history.csv`` into ``out``.

    Parameters
    ----------
    patches : the Dataset of ``samples.zarr``.
    settings : the recipe's model settings (see ``models.settings.ModelSettings``).
    members : numbers of the members to train; each has random numbers of its own.
    seed : the recipe's seed.
    out : folder to write.
    checkpoints : folder of checkpoints; a training that was killed goes on from them, to the same
        weights as an uninterrupted one. Removed at the end.
    start : folder of members of a model without classes (``settings.start_from``): members with the
        same numbers start from these weights, and their classes are active at once. None: from
        random weights.
    threads : members trained at once on a CPU; beyond the first, in processes of their own.
    physics_loss : the user's own term, a function; goes before the one that ``settings`` names.

    Raises
    ------
    UserError : fewer than ``FEWEST_SITES`` patches, too few for the classes, or settings that no
        model has; weights in ``start`` of another architecture; or the system ended a process that
        trained members.
    """
    import torch

    from vaescope import user_function
    from vaescope.models.likelihoods import refuse_unlike
    from vaescope.models.settings import ModelSettings
    from vaescope.models.shift_grid import with_symmetry
    from vaescope.train import checkpoint, starting
    from vaescope.train.groups import Work, train_all

    chosen = ModelSettings.from_recipe(settings if start else {**settings, "start_from": None})
    data = training_data(patches, chosen, seed)
    chosen = with_symmetry(chosen, data.cell)
    refuse_unlike(torch.from_numpy(data.target), chosen)
    own = physics_loss or user_function.load(chosen.physics_loss, "physics_loss")
    if own is not None:
        log(f"`physics_loss` is your own program: {user_function.place_of(None, own) or own}")
    device = best_device()
    if device.type == "cpu":
        log(f"no GPU here: training on the CPU, {threads} members at once")
        groups = [[member] for member in members]
    else:
        log(f"training all {len(members)} members at once on {torch.cuda.get_device_name(device)}")
        groups = [list(members)]
    known = [chosen.as_dict(), seed, data.digest(), user_function.digest(own), checkpoint.LAYOUT]
    if start is not None:
        known += [starting.digest(start, members)]
    key = store.digest(known)
    checkpoints.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    work = Work(data, chosen, seed, device, key, checkpoints, physics_loss, start)
    histories: list[dict[str, Any]] = []
    steps = chosen.steps * len(groups)
    with Progress(None, f"training {len(members)} members", steps, log) as progress:
        for trained in train_all(work, groups, max(threads, 1), log, progress):
            histories.extend(trained.history)
            for state, facts in trained.members:
                checkpoint.save(out / f"member-{facts['member']}.safetensors", state, facts)
    write_history(histories, out / "history.csv")
    for file in checkpoints.glob("members-*.safetensors"):
        file.unlink()
    if not any(checkpoints.iterdir()):
        checkpoints.rmdir()


def training_data(patches: xr.Dataset, settings: ModelSettings, seed: int) -> Data:
    """What to train on: all patches but those held out, or a random choice of ``max_sites``.

    Raises
    ------
    UserError : too few patches, or a variable that the settings name and the patches lack.
    """
    import numpy as np

    from vaescope.samples import gaps
    from vaescope.train.data import gather, held_out

    rows = np.flatnonzero(~held_out(patches, settings) & gaps.whole(patches))
    count = len(rows)
    if count < FEWEST_SITES:
        raise UserError(
            "too few sites to train a model",
            found=f"{count} patches",
            expected=f"at least {FEWEST_SITES}",
            remedy="Lower `sites.threshold` or `patches.size` in the recipe, or use a larger image",
        )
    if not settings.counts_classes and count < SITES_PER_CLASS * settings.most_classes:
        raise UserError(
            "too few sites for this number of classes",
            found=f"{count} patches and {settings.classes} classes",
            expected=f"at least {SITES_PER_CLASS} patches for each class",
            remedy="Lower `classes` of the model in the recipe, or use a larger image",
        )
    if count > settings.max_sites:  # chosen before they are read: all may not fit into memory
        random = np.random.default_rng(seed)
        rows = np.sort(random.choice(rows, settings.max_sites, replace=False))
    whole = len(rows) == patches.sizes["site"]
    return gather(patches if whole else patches.isel(site=rows), settings, seed=seed)


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


def adopt(shared: Path, shared_history: Path, members: Path, history: Path) -> None:
    """Give a dataset the members and the history of its group. Weights are linked where the file
    system can, so that ten thousand datasets take no more room than one; the history is copied, as
    Snakemake sets the dates of tables."""
    with store.replace_atomically(members) as beside:
        beside.mkdir()
        for file in sorted(shared.glob("member-*.safetensors")):
            _link(file, beside / file.name)
    with store.replace_atomically(history) as beside:
        shutil.copyfile(shared_history, beside)


def _link(file: Path, to: Path) -> None:
    try:
        os.link(file, to)
    except OSError:
        shutil.copyfile(file, to)


def write_history(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the history of training as CSV, ordered by member and step."""
    rows = sorted(rows, key=lambda row: (int(row["member"]), int(row["step"])))
    with store.replace_atomically(path) as beside, beside.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
