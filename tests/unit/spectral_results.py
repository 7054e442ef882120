"""Results of a small spectrum image, for figures and explorer: a model trained for an instant, and
in the place of what it predicts the true spectra with their bands."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from vaescope import ensemble, samples, sites, store, train
from vaescope.figures import FinishedFigure, Look, Scene, house, load
from vaescope.judge.facts import judge
from vaescope.results import Results

SIDE = 24
ENERGY = np.linspace(0, 30, 64)


def make(root: Path) -> Path:
    """Write a disc with a peak at 15 eV in a matrix with one at 8 eV, and a model of its spectra,
    ``im2spec``; returns the dataset's folder."""
    y, x = np.mgrid[:SIDE, :SIDE]
    disc = (np.hypot(y - 12, x - 12) < 6).astype(float)

    def peak(at: float) -> np.ndarray:
        return 200 * np.exp(-0.5 * ((ENERGY - at) / 1.5) ** 2)

    expected = disc[..., None] * peak(15) + (1 - disc[..., None]) * peak(8) + 5
    counts = np.random.default_rng(0).poisson(expected).astype(np.float32)
    image = xr.Dataset(
        {"image": (("time", "channel", "y", "x"), disc[None, None].astype(np.float32))},
        coords={"channel": ["HAADF"], "y": np.arange(SIDE), "x": np.arange(SIDE)},
        attrs={"pixel_size": 1.0, "pixel_unit": "nm", "calibrated": True},
    )
    about = {"long_name": "counts", "units": "counts"}
    measured = xr.Dataset(
        {"spectra": (("time", "y", "x", "energy"), counts[None], about)},
        coords={"energy": ("energy", ENERGY, {"long_name": "energy loss", "units": "eV"})},
    )
    found = sites.find(image, {"method": "pixels"}, spectra=measured)
    cut = samples.extract(image, found, {}, spectra=measured)
    said = expected.reshape(-1, ENERGY.size)
    band = np.sqrt(said)
    model = root / "im2spec"
    train.fit(
        cut,
        {"variant": "im2spec", "steps": 20, "hidden": 16, "latent": 2, "turns": 4, "batch": 32},
        members=[0],
        seed=0,
        out=model / "members",
        checkpoints=root / "checkpoints",
        log=lambda _: None,
    )
    latents = ensemble.map_latents(model / "members", cut, name="im2spec").load()
    known = {"predicted_spectrum": said, "predicted_spectrum_low": said - band}
    known["predicted_spectrum_high"] = said + band
    latents = latents.assign({name: (("site", "energy"), value) for name, value in known.items()})
    latents["held_out"] = ("site", (x.ravel() > 16).astype(int))
    for name, one in (("image", image), ("sites", found), ("samples", cut)):
        store.write(one, root / f"{name}.zarr")
    store.write(latents, root / "im2spec/latents.zarr")
    store.write_text(judge(Results(root), ["im2spec"], 1).text(), root / "facts.json")
    return root


def scene(root: Path) -> Iterator[Scene]:
    """The results written to a folder, as figures see them, in the style of the house."""
    make(root)
    with house():
        yield load(Results(root), ["im2spec"], Look(), "version")


def table(drawn: FinishedFigure) -> dict[str, np.ndarray]:
    """Columns of the table beside a figure, as text."""
    (text,) = drawn.figure_data.files("figure").values()
    rows = list(csv.DictReader(io.StringIO(text)))
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def numbers(drawn: FinishedFigure) -> dict[str, np.ndarray]:
    """Columns of the table beside a figure, NaN where a field is empty."""
    return {
        key: np.array([float(value or "nan") for value in values])
        for key, values in table(drawn).items()
    }
