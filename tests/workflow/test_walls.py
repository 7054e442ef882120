"""Domain walls through the whole workflow: an image, a movie of amplitude and phase, and noise."""

from __future__ import annotations

import json

import numpy as np
import xarray as xr
from lab import Lab

from vaescope import simulate

TINY = """\
models:
  rvae: {steps: 40, turns: 8, hidden: 16}
  jrvae: null
ensemble: {members: 2}
figures: {formats: [png], dpi: 40}
reports: light
"""


def recorded(lab: Lab, name: str, source: str, seed: int = 1) -> None:
    """Write amplitude, phase and height of a simulation, the phase with an offset, and the field
    of view beside it."""
    image = simulate.make(source, seed)
    along, across, height = np.moveaxis(image.image.values, 1, 0)
    response = (along + 1j * across) * np.exp(0.7j)
    arrays = {"amplitude": np.abs(response), "phase": np.angle(response), "height": height}
    np.savez(
        lab.folder / "data" / f"{name}.npz",
        **{key: values.astype(np.float32) for key, values in arrays.items()},
    )
    field = 10.0 * image.sizes["x"]
    about = {"field_of_view": field, "unit": "nm"}
    (lab.folder / "data" / f"{name}.json").write_text(json.dumps(about))


def test_walls_of_an_image_of_a_movie_and_of_noise_are_mapped_and_reported(fresh: Lab):
    recorded(fresh, "movie", "walls?size=96&frames=3&drift=2")
    recorded(fresh, "noise", "walls?size=96&frames=2&contrast=0")
    for kind in ("walls", "walls-delay"):
        fresh.recipe(f"tiny-{kind}", f"extends: {kind}\n{TINY}")
    fresh.sheet(
        "image tiny-walls simulate:walls?size=96",
        "movie tiny-walls-delay ../data/movie.npz",
        "noise tiny-walls ../data/noise.npz",
    )
    fresh.run().must_succeed()

    image = xr.open_zarr(fresh.results / "image" / "sites.zarr", consolidated=False)
    assert image.attrs["directed"] and json.loads(image.attrs["truth_scores"])["wall_recall"] > 0.98
    latents = xr.open_zarr(fresh.results / "image" / "rvae" / "latents.zarr", consolidated=False)
    apart = np.exp(1j * (latents.consensus_angle + latents.truth_direction))
    assert abs(np.angle(complex(apart.mean()))) < 0.1  # one zero for all walls: their direction

    movie = xr.open_zarr(fresh.results / "movie" / "sites.zarr", consolidated=False)
    assert set(np.unique(movie.frame)) == {0, 1, 2}
    assert {"displacement", "displacement_error", "pinned", "drift"} <= set(movie.variables)
    assert movie.attrs["pixel_unit"] == "nm" and movie.mean_curvature.attrs["units"] == "1/nm"
    samples = xr.open_zarr(fresh.results / "movie" / "samples.zarr", consolidated=False)
    assert list(samples.channel.values) == ["in-phase t-1", "in-phase t", "in-phase t+1"]
    assert (samples.frame == 1).all() and samples.attrs["without_delay"] > 0

    noise = xr.open_zarr(fresh.results / "noise" / "sites.zarr", consolidated=False)
    assert noise.sizes["site"] == 0
    for name in ("image", "movie", "noise"):
        report = (fresh.results / name / "report.html").read_text()
        assert ("No domain walls were found" in report) == (name == "noise"), name
    facts = json.loads((fresh.results / "image" / "facts.json").read_text())
    known_scores = {score["name"] for score in facts["scores"]}
    assert {"walls", "wall_length_px", "wall_density", "wall_position_rms"} <= known_scores
