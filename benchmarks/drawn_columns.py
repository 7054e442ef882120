"""Images of columns of atoms of many kinds, each drawn anew for every seed.

A kind is a function of a random generator: it gives the image, and where the columns are.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.spatial import cKDTree

Rng = np.random.Generator
Drawn = tuple[
    np.ndarray, np.ndarray
]  # (channel, height, width) or (height, width), and (column, 2)
SIDE = 256


def lattice(
    a: np.ndarray, b: np.ndarray, basis: list[tuple[float, float]], side: int, rng: Rng
) -> tuple[np.ndarray, np.ndarray]:
    """Columns (column, 2) as (y, x) of a lattice about a random origin, and their place in the
    basis (column,)."""
    reach = int(1.6 * side / min(np.hypot(*a), np.hypot(*b))) + 4
    i, j = (n.ravel() for n in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    start = side / 2 + rng.uniform(-0.5, 0.5) * a + rng.uniform(-0.5, 0.5) * b
    places, kinds = [], []
    for number, (u, v) in enumerate(basis):
        places.append(start + (i + u)[:, None] * a + (j + v)[:, None] * b)
        kinds.append(np.full(len(i), number))
    place, kind = np.concatenate(places), np.concatenate(kinds)
    near = (np.abs(place - side / 2) < 0.75 * side).all(1)
    return place[near], kind[near]


def unit(
    rng: Rng, spacing: float, ratio: float = 1.0, corner: float = 90.0
) -> tuple[np.ndarray, np.ndarray]:
    """Lattice vectors of lengths ``spacing`` and ``ratio`` times that, at a random angle."""
    turn, corner = rng.uniform(0, 2 * np.pi), np.radians(corner)
    a = spacing * np.array([np.cos(turn), np.sin(turn)])
    return a, ratio * spacing * np.array([np.cos(turn + corner), np.sin(turn + corner)])


def drawn(
    place: np.ndarray,
    height: np.ndarray | float,
    width: float,
    side: int = SIDE,
    ratio: float = 1.0,
    angle: float = 0.0,
) -> np.ndarray:
    """Gaussian columns, ``ratio`` times longer than wide along an ``angle`` (rad)."""
    image = np.zeros((side, side))
    height = np.broadcast_to(height, len(place))
    reach = int(np.ceil(4.5 * width * ratio))
    for (y, x), high in zip(place, height, strict=True):
        top, left = max(int(y) - reach, 0), max(int(x) - reach, 0)
        bottom, right = min(int(y) + reach + 2, side), min(int(x) + reach + 2, side)
        if top >= bottom or left >= right:
            continue
        dy, dx = np.arange(top, bottom)[:, None] - y, np.arange(left, right)[None] - x
        along = dy * np.sin(angle) + dx * np.cos(angle)
        across = dy * np.cos(angle) - dx * np.sin(angle)
        shape = np.exp(-((along / ratio) ** 2 + across**2) / (2 * width**2))
        image[top:bottom, left:right] += high * shape
    return image


def counted(rng: Rng, image: np.ndarray, dose: float, background: float = 0.15) -> np.ndarray:
    """Poisson counts of an image whose columns are about 1 high, ``dose`` at their peak."""
    return rng.poisson(np.maximum(image + background, 0) * dose).astype(float)


def common(rng: Rng, low: float = 10, high: float = 28) -> tuple[float, float, float]:
    """Spacing, width and dose at the peak of an ordinary image."""
    spacing = rng.uniform(low, high)
    return spacing, spacing * rng.uniform(0.14, 0.22), float(np.exp(rng.uniform(3.2, 6)))


def square(rng: Rng, change: Callable | None = None, **shape: Any) -> Drawn:
    spacing, width, dose = common(rng)
    place, _ = lattice(*unit(rng, spacing), [(0, 0)], SIDE, rng)
    image = drawn(place, 1.0, width, **shape)
    if change:
        image, place = change(rng, image, place, spacing, width)
    return counted(rng, image, dose), place


def hexagonal(rng: Rng) -> Drawn:
    spacing, width, dose = common(rng)
    place, _ = lattice(*unit(rng, spacing, 1, 60), [(0, 0)], SIDE, rng)
    return counted(rng, drawn(place, 1.0, width), dose), place


def honeycomb(rng: Rng) -> Drawn:
    spacing, width, dose = common(rng)
    a, b = unit(rng, spacing * 3**0.5, 1, 60)
    place, _ = lattice(a, b, [(0, 0), (1 / 3, 1 / 3)], SIDE, rng)
    return counted(rng, drawn(place, 1.0, width), dose), place


def rectangular(rng: Rng) -> Drawn:
    spacing, width, dose = common(rng, 9, 14)
    place, _ = lattice(*unit(rng, spacing, 3), [(0, 0)], SIDE, rng)
    return counted(rng, drawn(place, 1.0, width), dose), place


def sheared(rng: Rng) -> Drawn:
    spacing, width, dose = common(rng)
    a, b = unit(rng, spacing)
    place, _ = lattice(a, b + 0.2 * a, [(0, 0)], SIDE, rng)
    return counted(rng, drawn(place, 1.0, width), dose), place


def two_sublattices(rng: Rng, weak: float = 1 / 3) -> Drawn:
    spacing, width, dose = common(rng, 18, 32)
    place, kind = lattice(*unit(rng, spacing), [(0, 0), (0.5, 0.5)], SIDE, rng)
    heights = np.where(kind == 0, 1.0, weak)
    image = drawn(place, heights, 0.7 * width)
    return counted(rng, image, max(dose, 100)), place


def astigmatic(rng: Rng) -> Drawn:
    spacing, _, dose = common(rng)
    place, _ = lattice(*unit(rng, spacing), [(0, 0)], SIDE, rng)
    image = drawn(place, 1.0, 0.14 * spacing, SIDE, rng.uniform(1.2, 1.6), rng.uniform(0, np.pi))
    return counted(rng, image, dose), place


def astigmatic_saturated(rng: Rng) -> Drawn:
    image, place = astigmatic(rng)
    return np.minimum(image, np.percentile(image, 99) * 0.6), place


def moire(rng: Rng) -> Drawn:
    spacing, width, dose = common(rng)
    place, _ = lattice(*unit(rng, spacing), [(0, 0)], SIDE, rng)
    wave = rng.normal(0, 1, 2)
    wave *= 2 * np.pi / (rng.uniform(5, 9) * spacing) / np.hypot(*wave)
    height = 1 + 0.35 * np.cos(place @ wave)
    return counted(rng, drawn(place, height, width), dose), place


def _hum(rng, image, place, spacing, width):
    rows = np.arange(SIDE) * 2 * np.pi / rng.uniform(4, 9)
    return image + 0.2 * np.sin(rows + rng.uniform(0, 6))[:, None], place


def _saturated(rng, image, place, spacing, width):
    return np.minimum(image, rng.uniform(0.5, 0.8)), place


def _vacuum(rng, image, place, spacing, width):
    side = place[:, 1] > SIDE / 2
    return drawn(place[side], 1.0, width), place[side]


def _wedge(rng, image, place, spacing, width):
    thick = np.linspace(0.3, 1.5, SIDE)
    return image * thick[:, None] + 2 * thick[:, None], place


def _gradient(rng, image, place, spacing, width):
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    return image + 8 * (y * rng.uniform(-1, 1) + x * rng.uniform(-1, 1) + 1), place


def _vacancies(rng, image, place, spacing, width):
    kept = rng.random(len(place)) > 0.06
    return drawn(place[kept], 1.0, width), place[kept]


def _adatoms(rng, image, place, spacing, width):
    some = rng.random(len(place)) < 0.03
    return drawn(place, np.where(some, 2.5, 1.0), width), place


def _dislocation(rng, image, place, spacing, width):
    core = SIDE / 2 + rng.uniform(-20, 20, 2)
    turn = np.arctan2(place[:, 0] - core[0], place[:, 1] - core[1])
    moved = place.copy()
    moved[:, 1] += spacing * turn / (2 * np.pi)
    near = np.array(sorted(cKDTree(moved).query_pairs(0.75 * spacing)), int).reshape(-1, 2)
    keep = np.ones(len(moved), bool)
    keep[near[:, 0]] = False
    moved = moved[keep]
    return drawn(moved, 1.0, width), moved


def _layers(rng, image, place, spacing, width):
    high = np.choose(
        (place[:, 0] > SIDE / 3).astype(int) + (place[:, 0] > 2 * SIDE / 3), [0.25, 1.0, 0.5]
    )
    return drawn(place, high, width), place


def grains(rng: Rng) -> Drawn:
    spacing, width, dose = common(rng)
    parts = [lattice(*unit(rng, spacing), [(0, 0)], SIDE, rng)[0] for _ in range(2)]
    place = np.concatenate(
        [parts[0][parts[0][:, 1] < SIDE / 2], parts[1][parts[1][:, 1] >= SIDE / 2]]
    )
    pairs = np.array(sorted(cKDTree(place).query_pairs(0.75 * spacing)), int).reshape(-1, 2)
    place = np.delete(place, pairs[:, 0], axis=0)
    return counted(rng, drawn(place, 1.0, width), dose), place


def cosmic(rng: Rng) -> Drawn:
    image, place = square(rng)
    image[rng.random(image.shape) < 1e-3] = 50 * image.max()
    return image, place


def jittered(rng: Rng) -> Drawn:
    image, place = square(rng)
    shift = rng.normal(0, 1, SIDE)
    return np.stack(
        [
            np.interp(np.arange(SIDE) + s, np.arange(SIDE), row)
            for row, s in zip(image, shift, strict=True)
        ]
    ), place


def jpeg(rng: Rng) -> Drawn:
    image, place = square(rng)
    grey = np.clip(255 * image / image.max(), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(grey).save(file, "JPEG", quality=60)
    return np.asarray(Image.open(file), float), place


def scale_bar(rng: Rng) -> Drawn:
    image, place = square(rng)
    image[-22:-16, 16:80] = image.max()
    hidden = (place[:, 0] > SIDE - 30) & (place[:, 1] < 90)
    return image, place[~hidden]


def of_spacing(spacing: float) -> Callable[[Rng], Drawn]:
    def draw(rng: Rng) -> Drawn:
        side = int(np.clip(10 * spacing, 160, 720))
        place, _ = lattice(*unit(rng, spacing), [(0, 0)], side, rng)
        width = max(rng.uniform(0.15, 0.22) * spacing, 0.8)
        return counted(rng, drawn(place, 1.0, width, side), 200), place

    return draw


def of_dose(dose: float) -> Callable[[Rng], Drawn]:
    """Electrons at the peak of a column."""

    def draw(rng: Rng) -> Drawn:
        spacing, width, _ = common(rng, 14, 24)
        place, _ = lattice(*unit(rng, spacing), [(0, 0)], SIDE, rng)
        return counted(rng, drawn(place, 1.0, width), dose), place

    return draw


def dumbbells(ratio: float, second: float = 1.0, many: bool = False) -> Callable[[Rng], Drawn]:
    """Pairs of columns, ``ratio`` widths apart, in the ⟨110⟩ projection of a diamond lattice."""

    def draw(rng: Rng) -> Drawn:
        width = rng.uniform(2.0, 4.0)
        apart = ratio * width
        dose = float(np.exp(rng.uniform(3.7, 6.5)))
        long = 4 * apart  # a dumbbell is a quarter of the cell
        a, b = unit(rng, long, 0.5**0.5)
        half = 0.125
        basis = [(-half, 0), (half, 0), (0.5 - half, 0.5), (0.5 + half, 0.5)]
        place, kind = lattice(a, b, basis, SIDE, rng)
        if many:  # two grains
            c, d = unit(rng, long, 0.5**0.5)
            other, of = lattice(c, d, basis, SIDE, rng)
            left, right = place[:, 1] < SIDE / 2, other[:, 1] > SIDE / 2 + 0.5 * apart
            place = np.concatenate([place[left], other[right]])
            kind = np.concatenate([kind[left], of[right]])
        height = np.where(kind % 2, second, 1.0)
        return counted(rng, drawn(place, height, width), dose), place

    return draw


def pairs(ratio: float, cell: float) -> Callable[[Rng], Drawn]:
    """Pairs of columns ``ratio`` widths apart, at any angle to a square lattice of ``cell`` times
    their distance."""

    def draw(rng: Rng) -> Drawn:
        width = rng.uniform(1.8, 3.0)
        apart = ratio * width
        middle, _ = lattice(*unit(rng, cell * apart), [(0, 0)], SIDE, rng)
        turn = rng.uniform(0, np.pi)
        half = 0.5 * apart * np.array([np.sin(turn), np.cos(turn)])
        place = np.concatenate([middle - half, middle + half])
        return counted(rng, drawn(place, 1.0, width), float(np.exp(rng.uniform(3, 6)))), place

    return draw


def negative(draw: Callable[[Rng], Drawn]) -> Callable[[Rng], Drawn]:
    """Dark columns on a bright background: as many electrons, counted where columns are not."""

    def turned(rng: Rng) -> Drawn:
        image, place = draw(rng)
        top = np.percentile(image, 99.9)
        return top * 1.3 - image, place

    return turned


def support(share: float, part: float) -> Callable[[Rng], Drawn]:
    """A crystal that covers a part of an amorphous support with a texture of so much of a column
    (standard deviation)."""

    def draw(rng: Rng) -> Drawn:
        spacing, width, _ = common(rng, 12, 22)
        place, _ = lattice(*unit(rng, spacing), [(0, 0)], SIDE, rng)
        radius = SIDE * (part / np.pi) ** 0.5
        place = place[np.hypot(*(place - SIDE / 2).T) < radius]
        texture = ndimage.gaussian_filter(
            rng.normal(0, 1, (SIDE, SIDE)), rng.uniform(0.6, 1.2) * width
        )
        image = drawn(place, 1.0, width) + share * texture / texture.std()
        return counted(rng, image, 400, 0.5), place

    return draw


def step(times: float) -> Callable[[Rng], Drawn]:
    def draw(rng: Rng) -> Drawn:
        spacing, width, _ = common(rng, 10, 20)
        place, _ = lattice(*unit(rng, spacing), [(0, 0)], SIDE, rng)
        turn = rng.uniform(0, np.pi)
        y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
        edge = y * np.sin(turn) + x * np.cos(turn) + rng.uniform(-30, 30)
        image = drawn(place, 1.0, width) + times / (1 + np.exp(-edge / 1.0))
        return image + rng.normal(0, 0.05, image.shape), place

    return draw


def low_frequencies(times: float) -> Callable[[Rng], Drawn]:
    def draw(rng: Rng) -> Drawn:
        spacing, width, _ = common(rng, 10, 20)
        place, _ = lattice(*unit(rng, spacing), [(0, 0)], SIDE, rng)
        waves = ndimage.gaussian_filter(
            rng.normal(0, 1, (SIDE, SIDE)), rng.uniform(1.5, 4) * spacing
        )
        image = drawn(place, 1.0, width) + times * waves / waves.std()
        return image + rng.normal(0, 0.05, image.shape), place

    return draw


def two_detectors(rng: Rng) -> Drawn:
    image, place = square(rng)
    dark = image.max() * 1.3 - image + rng.normal(0, 2 * np.sqrt(image.max()), image.shape)
    return np.stack([dark, image]), place


KINDS: dict[str, Callable[[Rng], Drawn]] = {
    "square": square,
    "hexagonal": hexagonal,
    "honeycomb": honeycomb,
    "rectangular 1:3": rectangular,
    "shear 20 %": sheared,
    "sublattices 1:3": two_sublattices,
    "astigmatism": astigmatic,
    "astigmatism, saturated": astigmatic_saturated,
    "moiré": moire,
    "hum": lambda rng: square(rng, _hum),
    "saturation": lambda rng: square(rng, _saturated),
    "half vacuum": lambda rng: square(rng, _vacuum),
    "wedge": lambda rng: square(rng, _wedge),
    "gradient": lambda rng: square(rng, _gradient),
    "vacancies": lambda rng: square(rng, _vacancies),
    "adatoms": lambda rng: square(rng, _adatoms),
    "dislocation": lambda rng: square(rng, _dislocation),
    "layers": lambda rng: square(rng, _layers),
    "grains": grains,
    "cosmic pixels": cosmic,
    "row jitter": jittered,
    "JPEG": jpeg,
    "scale bar": scale_bar,
    **{f"spacing {s} px": of_spacing(s) for s in (4, 6, 7, 8, 30, 60, 120)},
    **{f"dose {d}": of_dose(d) for d in (4, 10, 200)},
    **{f"dumbbells {r}": dumbbells(r) for r in (2.0, 2.3, 2.6, 3.0, 3.5, 4.0, 5.0)},
    "dumbbells 3, unequal": dumbbells(3.0, 0.7),
    "dumbbells 3, two grains": dumbbells(3.0, many=True),
    "pairs 2.6, cell 3": pairs(2.6, 3),
    "pairs 3, cell 5": pairs(3, 5),
    "pairs 4, cell 2.5": pairs(4, 2.5),
    "dark square": negative(square),
    "dark hexagonal": negative(hexagonal),
    "dark honeycomb": negative(honeycomb),
    "dark rectangular": negative(rectangular),
    "dark sublattices 1:3": negative(two_sublattices),
    "dark dumbbells 3": negative(dumbbells(3.0)),
    "dark, saturated": negative(lambda rng: square(rng, _saturated)),
    "dark, half vacuum": negative(lambda rng: square(rng, _vacuum)),
    "dark first of two channels": two_detectors,
    "support 5 %": support(0.05, 0.3),
    "support 10 %": support(0.1, 0.3),
    "support 10 %, small": support(0.1, 0.12),
    "support 15 %": support(0.15, 0.3),
    "step 3 ×": step(3),
    "step 20 ×": step(20),
    "low frequencies 1 ×": low_frequencies(1),
    "low frequencies 3 ×": low_frequencies(3),
}
"""Every kind of image: columns found wherever the default settings should find them."""
