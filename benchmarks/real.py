"""What four real images tell, and what is the scan's, in numbers (docs/real-images.md).

    python benchmarks/real.py dso=results/dso-crystal oxide=results/oxide-interface \
        gold=results/gold-grain-boundary mos2=results/mos2-vanadium

reads the stores that the workflow left in these folders; any of them may be left out. The false
positives in MoS2 come from simulated layers of the same spacing, width, dose and background.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import real_mos2
from real_mos2 import say
from scipy import ndimage, optimize
from scipy.spatial import cKDTree

from vaescope import store
from vaescope.judge import scan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", metavar="IMAGE=FOLDER")
    parser.add_argument("--seeds", type=int, default=4, help="of simulated MoS2")
    parser.add_argument("--picture", type=Path, help="file for the picture of MoS2")
    arguments = parser.parse_args()
    for given in arguments.folders:
        name, _, folder = given.partition("=")
        print(f"\n{name}: {folder}")
        if name == "mos2":
            real_mos2.report(Path(folder), arguments.seeds, arguments.picture)
        else:
            {"dso": dso, "oxide": oxide, "gold": gold}[name](Path(folder))


def shares(folder: Path) -> None:
    """Shares of rows and columns in the strain by neighbours' vectors."""
    for name, each in scan.of_strain(store.open(folder / "strain.zarr"))["neighbours"].items():
        say(
            f"{name}: of the row, slow; of the column, slow; elsewhere",
            f"{each.row:.2f} {each.row_slow:.2f}; {each.column:.2f} {each.column_slow:.2f};"
            f" {each.elsewhere:.2f}",
        )


def dso(folder: Path) -> None:
    """DyScO3: one crystal, so whatever strain is seen is an error or the scan's."""
    shares(folder)
    strain = store.open(folder / "strain.zarr").load()
    own = 100 * strain["strain"].values[0]
    for k, name in enumerate(("xx", "yy", "xy")):
        place = strain["x" if name == "xx" else "y"].values
        left = own[:, k] - line_mean(place, own[:, k], 10.0)
        say(
            f"strain {name}: standard deviation, and without its"
            f" {'column' if name == 'xx' else 'row'} function (%)",
            f"{np.nanstd(own[:, k]):.2f}, {np.nanstd(left):.2f}",
        )
    found = store.open(folder / "sites.zarr").load()
    if "sublattice" in found:
        found = found.isel(site=found["sublattice"].values == 0)  # Dy
    point = np.stack([found["x"].values, found["y"].values], 1)
    near = cKDTree(point)
    step = float(found.attrs["spacing"])
    shift = []
    for k, (x, y) in enumerate(point):
        sides = [near.query([x + sign * step, y]) for sign in (-1, 1)]
        if max(apart for apart, _ in sides) < 0.4 * step:
            shift.append((x, y, y - np.mean([point[j, 1] for _, j in sides]), k))
    off = np.array(shift)
    say(
        "columns up or down against their two neighbours (px, median)",
        f"{np.median(abs(off[:, 2])):.2f}",
    )
    nearest = [near.query([x + step, y]) for x, y, *_ in shift]
    moved = {int(k): d for *_, d, k in shift}
    pairs = [
        (moved[int(s[3])], moved[j])
        for s, (apart, j) in zip(shift, nearest, strict=True)
        if apart < 0.4 * step and j in moved
    ]
    say(
        "neighbours along a row shifted in opposite senses",
        f"{np.mean([a * b < 0 for a, b in pairs]):.3f} of {len(pairs)}",
    )


def oxide(folder: Path) -> None:
    """Layers of an oxide: the start of the lines, and what the layers are."""
    shares(folder)
    strain = store.open(folder / "strain.zarr").load()
    x = strain["x"].values
    own = 100 * strain["strain"].values[0]
    known = np.isfinite(own[:, 0])

    def lag(at, depth, length, level):
        return level + depth * np.exp(-at / length)

    (depth, length, level), _ = optimize.curve_fit(
        lag, x[known], own[known, 0], (-15.0, 60.0, 0.0), loss="soft_l1", method="trf"
    )
    rest = own[known, 0] - lag(x[known], depth, length, level)
    say(
        "strain xx = level + depth exp(-x/length): depth (%), length (px)",
        f"{depth:.1f}, {length:.0f}",
    )
    say(
        "share of the variance of strain xx so explained",
        f"{1 - rest.var() / own[known, 0].var():.3f}",
    )
    found = store.open(folder / "sites.zarr").load()
    point = np.stack([found["x"].values, found["y"].values], 1)
    layer = layers(point)
    inside = (point[:, 0] > 150) & (layer >= 0)
    height = np.array([np.median(point[inside & (layer == k), 1]) for k in range(layer.max() + 1)])
    bright = np.array(
        [
            np.nanmedian(found["amplitude"].values[inside & (layer == k)])
            for k in range(layer.max() + 1)
        ]
    )
    gaps = np.diff(height)
    say("layers, and the distance from each to the next (px)", np.round(gaps, 1).tolist())
    say(
        "brightness of the layers, from the top, over the greatest",
        np.round(bright / bright.max(), 2).tolist(),
    )
    for model in ("jrvae",):
        if (folder / model / "latents.zarr").is_dir():
            latents = store.open(folder / model / "latents.zarr").load()
            number = {int(s): k for k, s in enumerate(found["site"].values)}
            rows = np.array([number[int(s)] for s in latents["site"].values])
            label = latents["consensus_class"].values.astype(int)
            table = np.zeros((layer.max() + 1, label.max() + 1), int)
            for k, c in zip(layer[rows], label, strict=True):
                if k >= 0:
                    table[k, c] += 1
            say("classes by layer, from the top", table.tolist())
            say(
                "sites that have the class of most of their layer",
                f"{table.max(1).sum() / table.sum():.3f}",
            )


def gold(folder: Path) -> None:
    """Two grains: the angle between them, and the units of their boundary."""
    shares(folder)
    strain = store.open(folder / "strain.zarr").load()
    found = store.open(folder / "sites.zarr").load()
    turn = np.degrees(strain["rotation"].values[0])
    point = np.stack([strain["x"].values, strain["y"].values], 1)
    grain = strain["grain"].values.astype(int) - 1
    grain[(grain > 1) | ~(np.abs(turn) < 5)] = -1  # the boundary: no site of either grain
    for between in json.loads(strain.attrs["misorientations"]):
        angle, error = between["angle_deg"], between["error_deg"]
        say("turn between the grains, by neighbours' vectors", f"{angle:.1f} ± {error:.1f}")
    yy = strain["strain"].values[0][:, 1]
    step = float(np.hypot(*np.asarray(strain.attrs["lattice_vectors"]).T).mean())
    for k in (0, 1):
        each = scan.shares(point[grain == k], yy[grain == k], step)
        if each is not None:
            say(
                f"grain {k}: strain yy, sd (%), share of the row and of it slow",
                f"{100 * np.nanstd(yy[grain == k]):.2f}, {each.row:.2f} {each.row_slow:.2f}",
            )
    lengths = [lattice_lengths(point[grain == k]) for k in (0, 1)]
    say(
        "distances to the nearest columns in the grains (px)",
        [np.round(v, 1).tolist() for v in lengths],
    )
    for model in ("rvae", "jrvae"):
        if (folder / model / "latents.zarr").is_dir():
            latents = store.open(folder / model / "latents.zarr").load()
            of = {int(s): k for k, s in enumerate(found["site"].values)}
            rows = np.array([of[int(s)] for s in latents["site"].values])
            n = int(latents.attrs["symmetry"])
            angle = np.degrees(np.angle(np.exp(1j * n * latents["consensus_angle"].values)) / n)
            middles = [circular(angle[grain[rows] == k], 360 / n) for k in (0, 1)]
            spread = np.degrees(latents["angle_spread"].values)
            unsure = [np.median(spread[grain[rows] == k]) for k in (0, 1, -1)]
            period = 360 / n
            between = np.mod(middles[1] - middles[0] + period / 2, period) - period / 2
            say(f"{model}: turn between the grains, modulo {period:g} degrees", f"{between:.2f}")
            say(
                f"{model}: spread of the angle (degrees) in grains, and between",
                np.round(unsure, 2).tolist(),
            )
            if "mode" in latents:
                mode = latents["mode"].values.astype(int)
                counts = {
                    int(m): [int(((mode == m) & (grain[rows] == k)).sum()) for k in (0, 1, -1)]
                    for m in np.unique(mode)
                }
                say(f"{model}: sites of each mode in grain 0, grain 1, between", counts)
    image = store.open(folder / "image.zarr")["image"].values[0, 0].astype(float)
    units(image, point, grain)


def units(image: np.ndarray, point: np.ndarray, grain: np.ndarray) -> None:
    """Dark places along the boundary and the distance at which they repeat."""
    tree = [cKDTree(point[grain == k]) for k in (0, 1)]
    rows = np.arange(0, image.shape[0], 4)
    wall = []
    for y in rows:
        at = np.column_stack([np.arange(0, image.shape[1], 4), np.full(image.shape[1] // 4, y)])
        apart = tree[0].query(at)[0] - tree[1].query(at)[0]
        wall.append(at[np.abs(apart).argmin(), 0])
    slope, start = np.polyfit(rows, ndimage.median_filter(wall, 9), 1)
    smooth = ndimage.gaussian_filter(image, 7)
    along = np.arange(0, image.shape[0] - 1, 0.5)
    profile = np.array(
        [
            ndimage.map_coordinates(
                smooth,
                [np.full(61, t), start + slope * t + np.arange(-30, 31)],
                order=1,
                mode="nearest",
            ).min()
            for t in along
        ]
    )
    step = 0.5 * np.hypot(1, slope)
    dips = [k for k in range(80, len(profile) - 80) if profile[k] == profile[k - 80 : k + 81].min()]
    deep = [k for k in dips if profile[k] < np.median(profile) - 0.5 * profile.std()]
    gaps = np.diff(deep) * step
    say(
        "direction of the boundary (degrees from x, counter-clockwise)",
        f"{np.degrees(np.arctan2(-1, slope)) % 180:.1f}",
    )
    say("dark units along it: distances (px)", np.round(gaps, 0).tolist())
    say("mean, standard deviation (px)", f"{gaps.mean():.1f}, {gaps.std(ddof=1):.1f}")


def line_mean(place: np.ndarray, values: np.ndarray, near: float) -> np.ndarray:
    """Mean of the other sites within so many px of the same row or column."""
    known = np.isfinite(values)
    weight = (np.abs(place[:, None] - place[None]) < near) & known[None]
    np.fill_diagonal(weight, False)
    return (weight @ np.nan_to_num(values)) / np.maximum(weight.sum(1), 1)


def layers(point: np.ndarray) -> np.ndarray:
    """Number of the layer of each site, from the top, along gently bent rows; -1 for none."""
    order = np.argsort(point[:, 0])
    layer = np.full(len(point), -1)
    tree = cKDTree(point)
    for start in order[::-1]:  # from the right, where the scan is settled
        if layer[start] >= 0:
            continue
        chain, current = [start], start
        while True:
            near = [j for j in tree.query_ball_point(point[current] - [15, 0], 6) if j != current]
            if not near:
                break
            current = min(near, key=lambda j: abs(point[j, 1] - point[current, 1]))
            if layer[current] >= 0:
                break
            chain.append(current)
        if len(chain) > 15:
            layer[chain] = layer.max() + 1
    height = [np.median(point[layer == k, 1]) for k in range(layer.max() + 1)]
    rank = np.argsort(np.argsort(height))
    return np.where(layer >= 0, rank[layer], -1)


def circular(angle: np.ndarray, period: float) -> float:
    return float(np.angle(np.exp(2j * np.pi * angle / period).mean()) * period / (2 * np.pi))


def lattice_lengths(point: np.ndarray) -> np.ndarray:
    """Median lengths (px) of the three shortest vectors between columns."""
    pairs = cKDTree(point).query_pairs(28.0, output_type="ndarray")
    apart = point[pairs[:, 1]] - point[pairs[:, 0]]
    way = np.mod(np.degrees(np.arctan2(-apart[:, 1], apart[:, 0])), 180)
    count = ndimage.gaussian_filter1d(
        np.histogram(way, np.arange(0, 181, 2))[0].astype(float), 2, mode="wrap"
    )
    peaks = sorted(
        np.flatnonzero((count >= np.roll(count, 1)) & (count > np.roll(count, -1))),
        key=lambda k: -count[k],
    )[:3]
    middle = [np.abs(np.mod(way - (2 * k + 1) + 90, 180) - 90) < 10 for k in peaks]
    return np.sort([np.median(np.hypot(*apart[near].T)) for near in middle])


if __name__ == "__main__":
    main()
