"""Finished results with all that the explorer shows: members, decoded planes, unusual shapes."""

from __future__ import annotations

from pathlib import Path

import fake_results
import numpy as np
import xarray as xr

from vaescope import store
from vaescope.ensemble.planes import decode_planes

RECIPE = {**fake_results.RECIPE, "figures": {"dpi": 40, "formats": ["png"]}}
KEPT = (0, 2, 3)  # members with a vote; member 1 has none


def make(results: Path, dataset: str = "crystal", **more) -> Path:
    """As ``fake_results.make``, with single members and decoded planes."""
    folder = fake_results.make(results, dataset, **more)
    for model in more.get("models", ("rvae", "jrvae")):
        change(folder / model / "latents.zarr", with_members)
    return folder


def change(path: Path, how) -> None:
    """Rewrite a store as ``how`` makes it."""
    held = store.open(path).load()
    store.write(how(held.copy()), path)


def with_members(latents: xr.Dataset) -> xr.Dataset:
    """Members about the consensus, of which one has no vote, and the planes of one."""
    rng = np.random.default_rng(5)
    members = latents.sizes["member"]
    kept = [k for k in KEPT if k < members]

    def around(name: str, width: float) -> np.ndarray:
        values = latents[f"consensus_{name}"].values
        return values + rng.normal(0, width, (members, *values.shape))

    dims = {"content": ("latent",), "angle": (), "offset": ("axis",), "strain": ("component",)}
    for name, axes in dims.items():
        if f"consensus_{name}" not in latents:
            continue
        values = around(name, 0.05)
        units = {"units": latents[f"consensus_{name}"].attrs.get("units", "1")}
        latents[name] = (("member", "site", *axes), values, units)
        latents[f"{name}_sd"] = (("member", "site", *axes), np.abs(values) * 0.1, units)
    if "consensus_class_probability" in latents:
        chances = np.abs(around("class_probability", 0.1))
        chances /= chances.sum(-1, keepdims=True)
        latents["class_probability"] = (("member", "site", "class"), chances)
    latents["member_kept"] = ("member", np.isin(np.arange(members), kept))
    latents.attrs["members_kept"] = kept
    latents.attrs["reference_member"] = 2
    side = latents.sizes["px"]
    content = latents["consensus_content"].values

    def draw(points: np.ndarray, told: np.ndarray | None) -> np.ndarray:
        grid = np.linspace(-1, 1, side)
        bright = points[:, 0, None, None] * grid + points[:, -1, None, None] * grid[:, None]
        return (bright + (0 if told is None else told[0]))[:, None]

    told = latents["told"].values[:, None] if "told" in latents else None
    planes = decode_planes(content, draw, told, ("channel", "py", "px"))
    return latents.assign(planes)


def many_channels(folder: Path, channels: int) -> None:
    """Patches and reconstructions of several channels."""

    def repeated(held: xr.Dataset) -> xr.Dataset:
        names = [n for n in held.variables if "channel" in held[n].dims and n != "channel"]
        wide = {n: xr.concat([held[n]] * channels, "channel") for n in names}
        return held.drop_vars([*names, "channel"], errors="ignore").assign(wide)

    change(folder / "samples.zarr", repeated)
    for model in folder.glob("*/latents.zarr"):
        change(model, repeated)


def as_frames(folder: Path) -> None:
    """The same patches as a stack of pictures, each a site of its own and none on an image."""
    patches = store.open(folder / "samples.zarr").load()
    count = patches.sizes["site"]
    number = np.arange(count)
    sites = xr.Dataset(
        {
            "frame": ("site", number),
            "y": ("site", np.zeros(count)),
            "x": ("site", np.zeros(count)),
            "near_edge": ("site", np.zeros(count, bool)),
        },
        coords={"site": number},
        attrs={**store.open(folder / "sites.zarr").attrs, "method": "frames"},
    )
    store.write(sites, folder / "sites.zarr")

    def renumbered(held: xr.Dataset) -> xr.Dataset:
        return held.assign_coords(site=number).assign(frame=("site", number))

    change(folder / "samples.zarr", renumbered)
    for model in folder.glob("*/latents.zarr"):
        change(model, renumbered)
    image = store.open(folder / "image.zarr").load()
    pictures = patches["patch"].values[:, :1]
    stack = xr.Dataset(
        {"image": (("time", "channel", "y", "x"), pictures)},
        coords={"channel": ["0"], "time": number},
        attrs=image.attrs,
    )
    store.write(stack, folder / "image.zarr")


def as_windows(folder: Path) -> None:
    """The same sites as the middles of windows, which were not fitted."""

    def bare(sites: xr.Dataset) -> xr.Dataset:
        gone = ["y_error", "x_error", "fit_quality", "amplitude", "width", "background", "score"]
        return sites.drop_vars(gone).assign_attrs(
            {**sites.attrs, "method": "windows", "regular": False, "patch_size": 20.0}
        )

    change(folder / "sites.zarr", bare)
