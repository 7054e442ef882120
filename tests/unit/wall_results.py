"""A folder of results of domain walls that keeps the data contracts, made without finding or
training anything: round domains that grow, and a straight wall that is pinned."""

from __future__ import annotations

from pathlib import Path

import fake_results
import numpy as np
import xarray as xr

from vaescope import store, traits
from vaescope.quantities import FIT, attributes

SIDE, SPACING, PIXELS = 160, 6.0, 20
CIRCLES = ((45.0, 50.0, 18.0), (110.0, 60.0, 26.0))  # y, x, radius in the first frame
LINE = 120.0  # x of the straight wall
GROWTH = 2.0  # px per frame
EVENTS = ("creation", "annihilation", "merging", "splitting")

ABOUT = {
    "frame": attributes("frame", "1"),
    "wall": attributes("wall", "1", "categorical", group=FIT),
    "normal_error": attributes("standard error across the wall", "px"),
    "direction": attributes("direction of the wall", "rad", "cyclic", period=2 * np.pi),
    "curvature": attributes("curvature", "1/px", "diverging", error="curvature_error"),
    "curvature_error": attributes("standard error of the curvature", "1/px"),
    "displacement": attributes(
        "displacement to the next frame", "px", "diverging", error="displacement_error"
    ),
    "displacement_error": attributes("standard error of the displacement", "px"),
    "pinned": attributes("probability of being pinned", "1", "sequential", valid=(0, 1)),
}


def image_of(frames: int, rng: np.random.Generator) -> np.ndarray:
    """The piezoresponse (time, channel, y, x), in-phase, out-of-phase and height."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    shown = []
    for frame in range(frames):
        distance = x - LINE
        for cy, cx, radius in CIRCLES:
            inside = radius + GROWTH * frame - np.hypot(y - cy, x - cx)
            distance = np.maximum(distance, inside)
        planes = np.stack([np.tanh(distance / 2), 0 * y, np.sin(x / 20)])
        shown.append(planes + rng.normal(0, 0.15, planes.shape))
    return np.stack(shown).astype(np.float32)


def table(frames: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Sites at equal arc length, by column."""
    rows = []
    for frame in range(frames):
        for wall, (cy, cx, first) in enumerate(CIRCLES):
            radius = first + GROWTH * frame
            turn = np.linspace(0, 2 * np.pi, int(2 * np.pi * radius / SPACING), endpoint=False)
            for t in turn:
                place = cy + radius * np.sin(t), cx + radius * np.cos(t)
                rows.append((frame, wall, *place, t + np.pi / 2, 1 / radius, GROWTH))
        for y in np.arange(SPACING, SIDE - SPACING, SPACING):
            rows.append((frame, 2, y, LINE, -np.pi / 2, 0.0, 0.0))
    frame, wall, y, x, direction, curvature, moved = np.array(rows).T
    count = len(y)
    last = frame == frames - 1
    return {
        "frame": frame.astype(int),
        "y": y,
        "x": x,
        "wall": wall.astype(int),
        "normal_error": np.full(count, 0.1),
        "direction": np.angle(np.exp(1j * direction)),
        "curvature": curvature + rng.normal(0, 2e-3, count),
        "curvature_error": np.full(count, 2e-3),
        "displacement": np.where(last, np.nan, moved + rng.normal(0, 0.15, count)),
        "displacement_error": np.full(count, 0.15),
        "pinned": np.where(last, np.nan, np.where(wall == 2, 0.95, 0.02)),
    }


def walls_of(frames: int, rng: np.random.Generator) -> xr.Dataset:
    """What the walls do: round domains grow, one appears, and the straight wall is pinned."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    steps = frames - 1
    significance = np.zeros((steps, SIDE, SIDE), np.float32)
    for step in range(steps):
        for cy, cx, radius in CIRCLES:
            away = np.hypot(y - cy, x - cx) - radius - GROWTH * step
            significance[step][(away > 0) & (away < GROWTH)] = 8.0
    switched = significance > 3
    share = switched.mean(axis=(1, 2))
    pinning = np.where(np.abs(x - LINE) < 3, 0.9, np.nan)
    rows = [(frame, wall) for frame in range(frames) for wall in range(3)]
    wave = np.geomspace(0.05, 1, 12)
    return xr.Dataset(
        {
            "wall_frame": ("row", np.array([frame for frame, _ in rows], float)),
            "wall_length": ("row", rng.uniform(100, 160, len(rows))),
            "switching_significance": (("step", "y", "x"), significance),
            "switched": (("step", "y", "x"), switched.astype(np.int8)),
            "switched_share": ("step", share),
            "switched_share_error": ("step", np.full(steps, 0.002)),
            "happened": ("step", np.ones(steps, np.int8)),
            "event": (
                "event_number",
                [0.0, 2.0],
                attributes("what happened", "1", "categorical", meanings=EVENTS),
            ),
            "event_frame": ("event_number", [0.0, 1.0]),
            "event_significance": ("event_number", [6.0, 1.0]),
            "pinning": (("y", "x"), pinning, {"p_value": 0.01, "prior": 0.02}),
            "pinning_visits": (("y", "x"), np.where(np.isfinite(pinning), 3.0, 0.0)),
            "candidate": ("candidate", ["steps of the surface"]),
            "association_ratio": ("candidate", [2.5]),
            "association_p_value": ("candidate", [0.03]),
            "structure_wave": ("wave", wave),
            "structure_factor": ("wave", wave**-2.4 + 0.1),
            "structure_floor": ("wave", np.full(12, 0.1)),
            "roughness": ("time", np.full(frames, 0.7)),
            "roughness_error": ("time", np.linspace(0.1, 0.2, frames)),
        }
    )


def make(results: Path, dataset: str = "film", *, frames: int = 4, seed: int = 0) -> Path:
    """Write image, sites, patches and one model; returns the dataset's folder."""
    rng = np.random.default_rng(seed)
    folder = results / dataset
    pixels = image_of(frames, rng)
    common = {"pixel_size": 10.0, "pixel_unit": "nm", "calibrated": True}
    common["source_sha256"] = [f"{seed:064x}"]
    axis = np.arange(SIDE) * 10.0
    image = xr.Dataset(
        {"image": (("time", "channel", "y", "x"), pixels)},
        coords={
            "y": ("y", axis, {"units": "nm"}),
            "x": ("x", axis, {"units": "nm"}),
            "channel": ["in-phase", "out-of-phase", "height"],
            "time": np.arange(frames),
        },
        attrs={**common, "vendor_metadata": "{}", "source_files": ["film.ibw"], "reader": "igor2"},
    )
    store.write(image, folder / "image.zarr", provenance={"seed": seed})
    columns = table(frames, rng)
    store.write(walls_of(frames, rng), folder / "walls.zarr")
    place = np.stack([columns["y"], columns["x"]], axis=1)
    half = PIXELS // 2
    edge = ((place < half) | (place > SIDE - half - 1)).any(axis=1)
    about = {**ABOUT, "y": attributes("row", "px"), "x": attributes("column", "px")}
    kind = {**traits.Traits(directed=True).attributes(), "method": "walls", "spacing": SPACING}
    sites = xr.Dataset(
        {name: ("site", values, about[name]) for name, values in columns.items()},
        coords={"site": np.arange(len(edge))},
        attrs={**common, **kind},
    ).assign(near_edge=("site", edge))
    store.write(sites, folder / "sites.zarr")
    kept = np.flatnonzero(~edge)
    corner = np.rint(place[kept]).astype(int) - half
    patch = np.stack(
        [
            pixels[columns["frame"][k], :, top : top + PIXELS, left : left + PIXELS]
            for k, (top, left) in zip(kept, corner, strict=True)
        ]
    )
    where = {name: ("site", columns[name][kept], about[name]) for name in ("frame", "y", "x")}
    offsets = np.arange(PIXELS) - half + 0.5
    coords = {"site": kept, "py": offsets, "px": offsets}
    size = {"pitch": 1.0, "size": float(PIXELS), "spacing": SPACING}
    patches = xr.Dataset(
        {
            "patch": (("site", "channel", "py", "px"), patch),
            "norm_offset": (("site", "channel"), np.zeros((len(kept), 3))),
            "norm_scale": (("site", "channel"), np.ones((len(kept), 3))),
            **where,
        },
        coords={**coords, "channel": image["channel"].values},
        attrs={**common, **kind, **size},
    )
    store.write(patches, folder / "samples.zarr")
    parts = {"latent": [1, 2], "axis": ["y", "x"], "component": ["xx", "yy", "xy"]}
    latents = fake_results.latents_of(
        rng,
        patch,
        columns["direction"][kept],
        (columns["wall"][kept] == 2).astype(int),
        where,
        {**coords, **parts},
        joint=False,
        turns=True,
        latent=2,
        classes=0,
        symmetry=1,
        members=4,
    )
    latents.attrs |= {**common, **kind, **size, "model": "rvae", "variant": "rvae"}
    store.write(latents, folder / "rvae" / "latents.zarr")
    fake_results.write_history(folder / "rvae" / "history.csv", 4, joint=False)
    (folder / "rvae" / "scores.json").write_text("{}")
    fake_results.judge(folder, ["rvae"])
    return folder
