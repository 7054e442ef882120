"""Measure spectra where most is learned, at an instrument that gives them one by one.

    python drive.py URL FOLDER [--spectra 100] [--quantity height] [--range LOW HIGH]
                    [--acquisition uncertainty]

URL is that of ``twin.py``, or of an instrument that answers like it. FOLDER gets every spectrum as
it comes (``spectrum-0001.npz``) and the state of the search (``explorer.safetensors``). Killed at
any moment and started again, it goes on with the next spectrum: nothing is measured twice but a
spectrum that was under way. At the end ``map.npz`` holds ``mean`` and ``sd`` (y, x) of the target.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import urllib.request
from pathlib import Path
from typing import Any, get_args

import numpy as np

from vaescope import Explorer
from vaescope.explore import targets, world
from vaescope.explore.settings import Acquisition
from vaescope.explore.target_settings import Target

REACH = 4.0  # px, about a site, that ring spectra look at
QUANTITIES = ("height", "position", "mean", "area", "loop_area")


def ask(url: str, wanted: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the instrument answers; a POST if something is wanted of it."""
    data = None if wanted is None else json.dumps(wanted).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=600) as answer:
        return json.loads(answer.read())


def written(file: Path, **arrays: np.ndarray) -> None:
    """Write arrays beside their place and rename them into it: a file is whole or not there."""
    held = io.BytesIO()
    np.savez(held, allow_pickle=False, **arrays)
    beside = file.with_suffix(".part")
    beside.write_bytes(held.getvalue())
    os.replace(beside, file)


def begun(url: str, folder: Path, acquisition: Acquisition) -> tuple[Explorer, np.ndarray]:
    """The explorer, from its file if there is one, and places (site, 2) in pixels."""
    file = folder / "image.npz"
    if not file.exists():
        written(file, image=np.asarray(ask(f"{url}/image")["image"], float))
    with np.load(file, allow_pickle=False) as held:
        image = held["image"]
    place = np.indices(image.shape).reshape(2, -1).T
    if (folder / "explorer.safetensors").exists():
        return Explorer.load(folder / "explorer.safetensors"), place
    known = {"rings": world.rings(image[None], place.astype(float), REACH), "place": place}
    explorer = Explorer(
        known, combine="sum", isotropic=["place"], acquisition=acquisition, transform="none"
    )
    return explorer, place


def run(url: str, folder: Path, count: int, target: Target, acquisition: Acquisition) -> Explorer:
    """Measure until there are so many spectra."""
    folder.mkdir(parents=True, exist_ok=True)
    explorer, place = begun(url, folder, acquisition)
    while (done := len(explorer.points)) < count:
        (site,) = explorer.ask(1)
        file = folder / f"spectrum-{done + 1:04d}.npz"
        if not file.exists():  # else it was measured before a kill, and not learned from
            y, x = place[site].tolist()
            found = ask(f"{url}/spectrum", {"y": y, "x": x})
            written(file, site=site, **{name: np.asarray(found[name], float) for name in found})
        with np.load(file, allow_pickle=False) as held:
            if held["site"] != site:
                raise SystemExit(f"{file} is of another search. Give a FOLDER of its own to each.")
            value = targets.values(held["spectrum"][None], held["axis"], target)
        explorer.tell([site], value)
        explorer.save(folder / "explorer.safetensors")
        print(f"{done + 1} of {count}: at {place[site].tolist()} {value[0]:.4g}", flush=True)
    mean, sd = explorer.predict(measured=True)
    shape = place.max(0) + 1
    written(folder / "map.npz", mean=mean.reshape(shape), sd=sd.reshape(shape))
    return explorer


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--spectra", type=int, default=100)
    parser.add_argument("--quantity", choices=QUANTITIES, default="height")
    parser.add_argument("--range", type=float, nargs=2)
    parser.add_argument("--acquisition", choices=get_args(Acquisition), default="uncertainty")
    given = parser.parse_args()
    target = Target(quantity=given.quantity, range=given.range)
    run(given.url, given.folder, given.spectra, target, given.acquisition)


if __name__ == "__main__":
    main()
