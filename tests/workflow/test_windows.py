"""Windows instead of atoms, through the whole workflow."""

from __future__ import annotations

import json

import xarray as xr
from lab import Lab

RECIPE = """\
extends: windows
sites: {stride: 10}
patches: {size: 20, pixels: 12}
ensemble: {members: 2}
baselines: {methods: [pca]}
figures: {formats: [png], dpi: 40}
models:
  vae: {variant: vae, steps: 30, hidden: 16, batch: 16}
  tvae: null
  rtvae: {variant: rtvae, steps: 30, hidden: 16, batch: 16, turns: 4}
"""


def test_windows_are_mapped_where_they_lie_on_the_image(fresh: Lab):
    fresh.recipe("looking", RECIPE)
    fresh.sheet("one looking ../data/one.npy")
    fresh.run().must_succeed()
    folder = fresh.results / "one"
    sites = xr.open_zarr(folder / "sites.zarr", consolidated=False)
    assert sites.sizes["site"] == 11 * 11  # 128 px hold so many windows of 20 px, 10 px apart
    for model in ("vae", "rtvae"):
        latents = xr.open_zarr(folder / model / "latents.zarr", consolidated=False)
        assert latents.sizes["site"] == sites.sizes["site"]
    drawn = json.loads((folder / "figures" / "latest" / "figures.json").read_text())
    names = {figure["name"] for figure in drawn["figures"]}
    assert {"vae-maps-cells", "rtvae-maps-cells"} <= names
    assert "vae-maps-points" not in names  # windows lie side by side
    report = (folder / "report.html").read_text()
    assert "No atoms are looked for" in report


def test_a_window_larger_than_the_image_is_told_to_the_person(fresh: Lab):
    fresh.recipe("large", RECIPE.replace("size: 20", "size: 500"))
    fresh.sheet("one large ../data/one.npy")
    run = fresh.run()
    assert run.code != 0
    assert "no window fits into the image" in run.output
    assert "500" in run.output and "128 × 128 px" in run.output
