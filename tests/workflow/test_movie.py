"""A movie through the whole workflow: atoms followed, classes counted, a clip in the report."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import xarray as xr
from lab import Lab, lattice
from PIL import Image

from vaescope import store

RECIPE = """\
extends: movie
patches: {size: 18, pixels: 9}
ensemble: {members: 1}
figures: {formats: [png], dpi: 40}
models:
  rvae: null
  skip-rvae: {steps: 5, hidden: 8, turns: 2, batch: 8}
  jrvae: {steps: 20, hidden: 16, turns: 4, batch: 16, classes: 2}
"""
FRAMES = 3


def test_the_atoms_of_a_movie_are_followed_to_the_report(fresh: Lab):
    still = lattice(0, side=64)
    drifting = [np.roll(still, (k, -k), axis=(0, 1)) for k in range(FRAMES)]
    np.save(fresh.folder / "data" / "film.npy", np.stack(drifting))
    fresh.recipe("film", RECIPE)
    fresh.sheet("film film ../data/film.npy")
    fresh.run().must_succeed()
    folder = fresh.results / "film"
    sites = pd.read_csv(folder / "sites.csv")
    long = sites[sites["track_length"] == FRAMES].groupby("track")
    assert len(long) > 0.6 * (sites["frame"] == 0).sum()
    # The very same picture was moved by one pixel down and to the left in every frame.
    first, last = long["y_px"].first(), long["y_px"].last()
    np.testing.assert_allclose(np.median(last - first), FRAMES - 1, atol=0.1)
    drift = store.open(folder / "sites.zarr")["drift"].values
    np.testing.assert_allclose(drift[-1], [FRAMES - 1, 1 - FRAMES], atol=0.2)

    latents = xr.open_zarr(folder / "jrvae" / "latents.zarr", consolidated=False)
    assert "track" in latents.coords
    movie = folder / "jrvae" / "movie"
    changes = pd.read_csv(movie / "transitions.csv")
    assert changes["change_count"].sum() == store.open(movie / "movie.zarr").attrs["links"] > 0
    assert len(pd.read_csv(movie / "populations.csv")) % FRAMES == 0
    assert (folder / "skip-rvae" / "movie" / "tracks.csv").is_file()

    latest = folder / "figures" / "latest"
    with Image.open(latest / "jrvae-movie.gif") as clip:
        assert clip.n_frames == FRAMES
    names = {
        figure["name"] for figure in json.loads((latest / "figures.json").read_text())["figures"]
    }
    assert {"jrvae-frames-classes", "jrvae-populations", "jrvae-transitions"} <= names
    assert {"skip-rvae-frames-angle", "skip-rvae-trajectories", "jrvae-movie"} <= names
    page = (folder / "report.html").read_text()
    assert "data:image/gif;base64," in page and "Atoms are followed from frame to frame" in page


def test_a_movie_recipe_refuses_a_single_image(fresh: Lab):
    fresh.recipe("film", RECIPE)
    fresh.sheet("one film ../data/one.npy")
    ended = fresh.run()
    assert ended.code != 0
    assert "nothing can be followed from frame to frame" in ended.output
