"""Results of particles with a picture and a spectrum each, and a dual model trained for an instant
in whose place stands what is known to be predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from vaescope import ensemble, samples, sites, store, train
from vaescope.judge.facts import judge
from vaescope.results import Results

COUNT, SIDE = 90, 15
ENERGY = np.linspace(1, 5, 48)
KINDS = ("round", "square")


def make(root: Path) -> Path:
    """Write discs and squares of many sizes, whose peak lies at 4 eV less a quarter of their radius
    in pixels, and a model of both, ``dualvae``; returns the dataset's folder.

    The predicted peaks lie 0.1 eV too high, and the predicted patches are the true ones but for a
    brightness that is wrong by the number of the site. Over the plane the peaks of decoded spectra
    go from 2 eV on the left to 4 eV on the right.
    """
    rng = np.random.default_rng(0)
    radius = rng.uniform(2.5, 6, COUNT)
    kind = np.arange(COUNT) % 2
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    far = np.where(
        kind[:, None, None] == 0, np.hypot(y, x)[None], np.maximum(abs(y), abs(x))[None] * 1.1
    )
    patches = (far < radius[:, None, None]).astype(np.float32)

    def spectrum(at: np.ndarray) -> np.ndarray:
        wide = 0.15 + 0.15 * kind[:, None]
        return 100 * np.exp(-0.5 * ((ENERGY - at[:, None]) / wide) ** 2) + 5

    expected = spectrum(4 - radius / 4)
    counts = rng.poisson(expected).astype(np.float32)
    image = xr.Dataset(
        {"image": (("time", "channel", "y", "x"), patches[:, None])},
        coords={"channel": ["SEM"], "time": np.arange(COUNT)},
        attrs={"pixel_size": 2.0, "pixel_unit": "nm", "calibrated": True},
    )
    about = {"long_name": "counts", "units": "counts"}
    known = {"truth_kind": kind, "truth_radius": radius}
    spectra = xr.Dataset(
        {"spectra": (("time", "y", "x", "energy"), counts[:, None, None], about)}
        | {name: (("time", "y", "x"), value[:, None, None]) for name, value in known.items()},
        coords={"energy": ("energy", ENERGY, {"long_name": "energy loss", "units": "eV"})},
        attrs={"truth_kind_names": list(KINDS)},
    )
    found = sites.find(image, {"method": "frames"}, spectra=spectra)
    cut = samples.extract(image, found, {}, spectra=spectra)
    cut.attrs["truth_kind_names"] = list(KINDS)
    settings = {"variant": "dualvae", "steps": 5, "hidden": 16, "latent": 2, "turns": 4}
    model = root / "dualvae"
    train.fit(
        cut,
        settings | {"batch": 32},
        members=[0],
        seed=0,
        out=model / "members",
        checkpoints=root / "checkpoints",
        log=lambda _: None,
    )
    latents = ensemble.map_latents(model / "members", cut, name="dualvae").load()
    latents["predicted_spectrum"] = ("site", "energy"), spectrum(4.1 - radius / 4)
    wrong = cut["patch"].values + 0.001 * np.arange(COUNT)[:, None, None, None]
    latents["predicted_patch"] = ("site", "channel", "py", "px"), wrong
    latents["consensus_content"] = ("site", "latent"), np.stack([radius, kind], axis=1)
    share = np.linspace(0, 1, latents.sizes["plane_step_x"])
    latents["plane_x"] = ("plane", "plane_step_x"), 2.5 + 3.5 * share[None]
    latents["plane_y"] = ("plane", "plane_step_y"), share[None]
    along = np.tile(2 + 2 * share, len(share))  # peaks over the plane, from 2 to 4 eV
    peak = 100 * np.exp(-0.5 * ((ENERGY - along[:, None]) / 0.2) ** 2)
    shape = latents["plane_spectrum"].shape
    latents["plane_spectrum"] = latents["plane_spectrum"].dims, peak.reshape(shape)
    latents["held_out"] = "site", (np.arange(COUNT) % 3 == 0).astype(int)
    for name, one in (("image", image), ("sites", found), ("samples", cut)):
        store.write(one, root / f"{name}.zarr")
    store.write(latents, root / "dualvae/latents.zarr")
    store.write_text(judge(Results(root), ["dualvae"], 1).text(), root / "facts.json")
    return root
