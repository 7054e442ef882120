"""Crystals with known truth, their images, and the files that a user would have of them.

A ``Specimen`` says what is imaged and how; ``made`` renders the image, counts electrons and writes
the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

Map = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Lattice:
    """A plane lattice: vectors (2, 2) as (x, y) in nearest distances between sites, the places of
    its motif in units of them with their strengths, and by which turn it repeats (degrees)."""

    vectors: np.ndarray
    motif: tuple[tuple[float, float, float], ...] = ((0.0, 0.0, 1.0),)
    period: float = 90.0


def _pairs(angle: float, ratio: float = 1.0) -> np.ndarray:
    turn = np.radians(angle)
    return np.array([[1.0, 0.0], [ratio * np.cos(turn), ratio * np.sin(turn)]])


LATTICES = {
    "square": Lattice(_pairs(90)),
    "hexagonal": Lattice(_pairs(60), period=60),
    "rectangular": Lattice(_pairs(90, 1.35), period=180),
    "oblique": Lattice(_pairs(76, 1.2), period=180),
    "perovskite": Lattice(np.sqrt(2) * _pairs(90), ((0, 0, 1.0), (0.5, 0.5, 0.55)), period=90),
    "honeycomb": Lattice(np.sqrt(3) * _pairs(60), ((0, 0, 1.0), (1 / 3, 1 / 3, 1.0)), period=60),
}


@dataclass
class Specimen:
    """A crystal, and the microscope that images it.

    Attributes
    ----------
    spacing, width : px, nearest distance between columns and standard deviation of their image.
    peak, background : electrons per pixel.
    angles : degrees, turns of the grains; grain k lies in the k-th sector about ``knot``.
    dumbbell : px between the two columns of a pair, 0 for single columns.
    warp : maps positions (n, 2) as (y, x), px, in order, before imaging.
    stretch : (2, 2) in (y, x), the image of a column as a multiple of a disc.
    jitter : px, standard deviation by which rows are shifted.
    light, counts : maps of the expected image, and of the counts.
    keep : of positions, which columns there are.
    pixel : nm, height and width that the file states; None: no statement.
    suffix : of the file.
    channels : makes several channels, named, of the counts (height, width).
    inside : (height, width) bool, what is measured, where that is not everything.
    distorted : whether lengths in the image are wrong along one of its axes.
    """

    lattice: str
    seed: int
    size: int = 256
    spacing: float = 13.0
    width: float = 2.6
    peak: float = 150.0
    background: float = 30.0
    angles: tuple[float, ...] = (7.0,)
    dumbbell: float = 0.0
    dark: bool = False
    warp: list[Map] = field(default_factory=list)
    stretch: np.ndarray = field(default_factory=lambda: np.eye(2))
    jitter: float = 0.0
    light: list[Map] = field(default_factory=list)
    counts: list[Map] = field(default_factory=list)
    keep: list[Map] = field(default_factory=list)
    shape: tuple[int, int] | None = None
    pixel: tuple[float, float] | None = (0.01, 0.01)
    suffix: str = ".npy"
    channels: Callable[[np.ndarray], dict[str, np.ndarray]] | None = None
    inside: np.ndarray | None = None
    distorted: bool = False

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([self.seed, 7])


@dataclass
class Case:
    """A file with what is true of it.

    ``position`` (site, 2) px as (y, x) in the file; ``grain`` (site,); ``measured`` (height, width)
    bool; ``known`` : for the settings that a finding may name, the values that its reader would
    try, the best first; ``averaged`` : makes the same image of more exposures;
    ``cause`` : see ``Fault``; ``strained`` : whether its strain is known, which is then zero.
    """

    name: str
    file: Path
    position: np.ndarray
    grain: np.ndarray
    specimen: Specimen
    measured: np.ndarray
    known: dict[str, list[Any]]
    averaged: Callable[[], Case] | None = None
    cause: str = "$^"
    strained: bool = True

    @property
    def nearest(self) -> float:
        """Distance of the nearest columns, px."""
        return self.specimen.dumbbell or self.specimen.spacing


def sites(specimen: Specimen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions (n, 2) as (y, x), grain and strength of all columns in the image and around it."""
    lattice = LATTICES[specimen.lattice]
    vectors = lattice.vectors * specimen.spacing
    reach = int(2.2 * specimen.size / min(np.hypot(*vectors.T))) + 2
    steps = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).T
    middle = np.array([specimen.size, specimen.size]) / 2
    knot = middle + specimen.rng.uniform(-0.08, 0.08, 2) * specimen.size
    first = specimen.rng.uniform(0, 2 * np.pi)
    parts, grains, strengths = [], [], []
    for number, degrees in enumerate(specimen.angles):
        turn = np.radians(degrees)
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        origin = specimen.rng.uniform(0, 1, 2)
        for a, b, strong in lattice.motif:
            xy = (steps + origin + (a, b)) @ vectors @ matrix
            if specimen.dumbbell:
                half = specimen.dumbbell / 2 * matrix[0]
                xy = np.concatenate([xy - half, xy + half])
            place = middle + xy[:, ::-1]
            sector = np.arctan2(*(place - knot).T) - first
            sector = (sector % (2 * np.pi)) * len(specimen.angles) // (2 * np.pi)
            place = place[sector == number]
            parts.append(place)
            grains.append(np.full(len(place), number))
            strengths.append(np.full(len(place), strong))
    position, grain = np.concatenate(parts), np.concatenate(grains)
    strength = np.concatenate(strengths)
    if len(specimen.angles) > 1:
        nearest = specimen.dumbbell or specimen.spacing
        pairs = cKDTree(position).query_pairs(0.85 * nearest, output_type="ndarray")
        alone = np.ones(len(position), bool)
        alone[pairs[grain[pairs[:, 0]] != grain[pairs[:, 1]], 1]] = False
        position, grain, strength = position[alone], grain[alone], strength[alone]
    for warp in specimen.warp:
        position = warp(position)
    for keep in specimen.keep:
        kept = keep(position)
        position, grain, strength = position[kept], grain[kept], strength[kept]
    return position, grain, strength


def expected(specimen: Specimen, position: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Electrons per pixel, (height, width)."""
    height, width = specimen.shape or (specimen.size, specimen.size)
    image = np.zeros((height, width))
    shape = specimen.width * specimen.stretch
    metric = np.linalg.inv(shape @ shape.T)
    reach = int(np.ceil(5 * np.linalg.norm(shape, 2) + 3 * specimen.jitter))
    shifts = specimen.rng.normal(0, 1, height) * specimen.jitter
    for (y, x), one in zip(position, strength, strict=True):
        rows = np.arange(max(round(y) - reach, 0), min(round(y) + reach + 1, height))
        cols = np.arange(max(round(x) - reach, 0), min(round(x) + reach + 1, width))
        if not len(rows) or not len(cols):
            continue
        dy, dx = (rows - y)[:, None], cols[None] - x - shifts[rows][:, None]
        square = metric[0, 0] * dy**2 + 2 * metric[0, 1] * dy * dx + metric[1, 1] * dx**2
        image[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] += one * np.exp(-square / 2)
    if specimen.dark:
        image = np.clip(1.05 - image, 0, None)
    return specimen.background + specimen.peak * image


def made(name: str, specimen: Specimen, folder: Path) -> Case:
    """Image a specimen and write its file."""
    position, grain, strength = sites(specimen)
    light = expected(specimen, position, strength)
    for change in specimen.light:
        light = change(light)
    counts = specimen.rng.poisson(np.clip(light, 0, None)).astype(float)
    for change in specimen.counts:
        counts = change(counts)
    file = folder / f"{name}{specimen.suffix}"
    write(file, counts, specimen)
    inside = np.all((position >= -0.5) & (position < np.array(counts.shape) - 0.5), axis=1)
    known = known_of(specimen, specimen.dumbbell or specimen.spacing)
    measured = np.ones(counts.shape, bool) if specimen.inside is None else specimen.inside
    return Case(name, file, position[inside], grain[inside], specimen, measured, known)


def known_of(specimen: Specimen, nearest: float) -> dict[str, list[Any]]:
    """The values that someone who knows the specimen would give to settings, by their names."""
    return {
        "spacing": [nearest],
        "width": [specimen.width],
        "polarity": ["dark" if specimen.dark else "bright"],
        "background": [1.0 * nearest, 2.0 * nearest],
        "threshold": [0.3, 0.5],
        "channel": [1, 0],
        "unmeasured": ["constant", "nan"],
        "hot_pixels": [6.0],
        "detrend_lines": ["median", "linear"],
        "pixel_size": ["0.01 nm"],
    }


def write(file: Path, counts: np.ndarray, specimen: Specimen) -> None:
    """Write counts in the format that the suffix names, with the pixel size that it can hold."""
    if specimen.suffix == ".jpg":
        raise ValueError("JPEG is written by its fault")
    if specimen.channels is not None:
        _write_channels(file, specimen.channels(counts), specimen)
    elif specimen.suffix == ".tif":
        import tifffile

        assert specimen.pixel is not None
        y, x = specimen.pixel
        about = {"unit": "nm", "axes": "YX"}
        tifffile.imwrite(
            file,
            counts.astype(np.float32),
            imagej=True,
            resolution=(1 / x, 1 / y),
            metadata=about,
        )
    else:
        np.save(file, counts.astype(np.float32))
        if specimen.pixel is not None:
            side = f'{{"pixel_size": {specimen.pixel[1]}, "pixel_unit": "nm"}}'
            file.with_suffix(".json").write_text(side)


def _write_channels(file: Path, channels: dict[str, np.ndarray], specimen: Specimen) -> None:
    import tifffile

    assert specimen.pixel is not None
    y, x = specimen.pixel
    about = {
        "axes": "CYX",
        "Channel": {"Name": list(channels)},
        "PhysicalSizeX": x,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": y,
        "PhysicalSizeYUnit": "nm",
    }
    data = np.stack(list(channels.values())).astype(np.float32)
    tifffile.imwrite(file, data, ome=True, metadata=about)
