"""Vanadium in MoS2: dark places of Mo, against what shot noise alone would make (see real.py)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial import Delaunay, cKDTree

from vaescope import simulate, sites, store

DARK = 0.55  # of the median contrast of Mo: between V (0.36 by Z^1.7) and Mo


def say(what: str, value: object) -> None:
    print(f"  {what:62s} {value}")


@dataclass
class Layer:
    """Contrast of the places of MoS2, over the median of Mo: its own, and those of S2."""

    metal: np.ndarray
    where: np.ndarray
    unfound: np.ndarray
    pair: np.ndarray
    spacing: float


def report(folder: Path, seeds: int, picture: Path | None) -> None:
    """Three kinds of places; dark places of Mo against what shot noise alone would make."""
    image = store.open(folder / "image.zarr")
    seen = image["image"].values[0, 0].astype(float)
    found = sites.find(image, {"method": "log"}).load()
    gain, offset = noise(seen)
    height, width = float(np.nanmedian(found["amplitude"])), float(np.nanmedian(found["width"]))
    dose = height * 2 * np.pi * width**2 / gain
    background = (float(np.nanmedian(found["background"])) - offset) / height
    real = contrast(seen, found)
    say(
        "pixel (nm), distance of Mo (nm)",
        f"{image.attrs['pixel_size']:.5f}, {real.spacing * float(image.attrs['pixel_size']):.4f}",
    )
    say("electrons in one Mo column, background over its peak", f"{dose:.0f}, {background:.2f}")
    told("as recorded", real)
    named = store.open(folder / "sites.zarr").load()  # by the recipe's own method
    nearest = cKDTree(np.stack([named["x"].values, named["y"].values], 1))
    if "species" in named:
        say("sites by the recipe: metal, pair", np.bincount(named["species"].astype(int)).tolist())
    for k in np.argsort(real.metal)[: (real.metal < DARK).sum()]:
        say(
            f"  dark Mo at x, y = {real.where[k, 0]:.0f}, {real.where[k, 1]:.0f} px",
            f"{real.metal[k]:.2f}"
            + (", not found by log" if real.unfound[k] else "")
            + found_by_recipe(named, nearest, real.where[k]),
        )
    common = (
        f"mos2?size=512&spacing={real.spacing:.3f}&width={width:.3f}&dose={dose:.0f}"
        f"&background={background:.3f}&angle=3&divacancies=0"
    )
    simulated: dict[str, list[Layer]] = {}
    for words, more in (
        ("pristine", "&dopants=0&vacancies=0"),
        ("1 % V", "&dopants=0.01&vacancies=0"),
        ("3 % of S2 lack one S", "&dopants=0&vacancies=0.03"),
    ):
        simulated[words] = []
        for seed in range(seeds):
            made = simulate.make(common + more, seed)
            counts = made["image"].values[0, 0].astype(float)
            layer = contrast(counts, sites.find(made, {"method": "log"}).load())
            told(f"simulated, {words}, seed {seed}", layer)
            simulated[words].append(layer)
    if picture:
        draw(seen, real, simulated, picture)


def draw(image: np.ndarray, real: Layer, simulated: dict[str, list[Layer]], picture: Path) -> None:
    """The image with the dark places of Mo, and contrasts beside those of simulated layers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 4.6), layout="constrained")
    left, metal, pair = figure.subplots(1, 3, width_ratios=[1.25, 1, 1])
    low, high = np.percentile(image, [1, 99.7])
    left.imshow(image, cmap="gray", vmin=low, vmax=high)
    dark = real.metal < DARK
    left.scatter(*real.where[dark].T, s=90, facecolors="none", edgecolors="#d55e00", linewidths=1.5)
    left.set(xticks=[], yticks=[], title=f"{dark.sum()} dark places of {len(dark)} of Mo")
    for axes, name in ((metal, "metal"), (pair, "pair")):
        bins = np.linspace(-0.2, 1.6, 46) if name == "metal" else np.linspace(-0.2, 1.0, 41)
        own = getattr(real, name)
        axes.hist(
            own, bins, weights=np.full(len(own), 1 / len(own)), color="#bbbbbb", label="image"
        )
        for (words, layers_), colour in zip(
            simulated.items(), ("#000000", "#d55e00", "#0072b2"), strict=True
        ):
            if words.startswith("3 %" if name == "metal" else "1 %"):
                continue
            every = np.concatenate([getattr(layer, name) for layer in layers_])
            weights = np.full(len(every), 1 / len(every))
            axes.hist(every, bins, weights=weights, histtype="step", color=colour, label=words)
        axes.set(xlabel="contrast over that of Mo", yscale="log", ylim=(3e-4, 0.9))
        axes.legend(fontsize=8, frameon=False, loc="upper left")
    metal.axvline(DARK, color="#d55e00", lw=0.8, ls="--")
    metal.set(title="places of Mo", ylabel="share of the places")
    pair.set(title="places of S2")
    figure.savefig(picture, dpi=105)


def found_by_recipe(named, nearest: cKDTree, place: np.ndarray) -> str:
    apart, row = nearest.query(place)
    if apart > 5:
        return ", nor by the recipe"
    species = f" as species {int(named['species'][row])}" if "species" in named else ""
    return f"; the recipe does{species}, score {float(named['score'][row]):.2f}"


def told(words: str, layer: Layer) -> None:
    spread = 1.4826 * np.median(np.abs(layer.metal - 1))
    pair = np.median(layer.pair)
    say(
        words,
        f"Mo {len(layer.metal)}, sd {spread:.3f}, darker than {DARK}: {(layer.metal < DARK).sum()};"
        f" S2 {len(layer.pair)}, {pair:.3f}, below half of it: {(layer.pair < pair / 2).sum()}",
    )


def noise(image: np.ndarray) -> tuple[float, float]:
    """Signal of one electron and of none, from how the variance grows with the mean."""
    middle = image[1:-1, 1:-1]
    around = (image[:-2, 1:-1] + image[2:, 1:-1] + image[1:-1, :-2] + image[1:-1, 2:]) / 4
    rough = (middle - around) / np.sqrt(1.25)
    level = ndimage.gaussian_filter(image, 1.5)[1:-1, 1:-1]
    part = np.digitize(level, np.quantile(level, np.linspace(0, 1, 11))[1:-1])
    mean = [level[part == k].mean() for k in range(10)]
    variance = [
        (1.4826 * np.median(np.abs(rough[part == k] - np.median(rough[part == k])))) ** 2
        for k in range(10)
    ]
    slope, start = np.polyfit(mean, variance, 1)
    return float(slope), float(-start / slope)


def contrast(image: np.ndarray, found) -> Layer:
    """Contrast of every place against the three hollows around it, lost Mo columns included."""
    point = np.stack([found["x"].values, found["y"].values], 1)
    nearest = float(np.median(cKDTree(point).query(point, 2)[0][:, 1]))
    every, unfound = completed(point, image.shape, nearest)
    smooth = ndimage.gaussian_filter(image, 0.8 * float(found.attrs["width"]))
    corner = Delaunay(every).simplices
    side = np.linalg.norm(every[corner] - every[np.roll(corner, 1, axis=1)], axis=2)
    corner = corner[((side < 1.4 * nearest) & (side > 0.7 * nearest)).all(1)]
    middle = every[corner].mean(1)
    toward = every[corner[:, 0]] - middle
    three = 3 * np.arctan2(toward[:, 1], toward[:, 0])  # triangles that point up, and down
    up = np.cos(three - np.angle(np.exp(2j * three).mean()) / 2) > 0
    if at(smooth, middle[up]).mean() < at(smooth, middle[~up]).mean():
        up = ~up
    hollow, pair = middle[~up], middle[up]
    tree = cKDTree(hollow)

    def over_hollows(place):
        apart, three = tree.query(place, 3)
        inner = ((place > nearest) & (place < np.array(image.shape)[::-1] - 1 - nearest)).all(1)
        return at(smooth, place) - at(smooth, hollow)[three].mean(1), inner & (
            apart.max(1) < 1.2 * nearest
        )

    metal, good = over_hollows(every)
    two, fine = over_hollows(pair)
    scale = np.median(metal[good])
    length = np.median(side[(side < 1.4 * nearest) & (side > 0.7 * nearest)])
    return Layer(metal[good] / scale, every[good], unfound[good], two[fine] / scale, float(length))


def completed(point: np.ndarray, shape, nearest: float) -> tuple[np.ndarray, np.ndarray]:
    """Sites, and places opposite to at least three pairs of them where none was found."""
    tree = cKDTree(point)
    pairs = tree.query_pairs(1.35 * nearest, output_type="ndarray")
    guess = np.concatenate([2 * point[a] - point[b] for a, b in (pairs.T, pairs.T[::-1])])
    inside = ((guess > 4) & (guess < np.array(shape)[::-1] - 5)).all(1)
    guess = guess[inside & (tree.query(guess)[0] > 0.5 * nearest)]
    added: list[np.ndarray] = []
    for own in guess:
        crowd = guess[np.linalg.norm(guess - own, axis=1) < 0.4 * nearest]
        place = np.median(crowd, axis=0)
        if len(crowd) > 2 and all(np.linalg.norm(place - one) > 0.7 * nearest for one in added):
            added.append(place)
    lost = np.array(added).reshape(-1, 2)
    return np.concatenate([point, lost]), np.arange(len(point) + len(lost)) >= len(point)


def at(image: np.ndarray, place: np.ndarray) -> np.ndarray:
    return ndimage.map_coordinates(image, place.T[::-1], order=1, mode="nearest")
