"""Simulate images for the training of a detector, as different from each other as real ones.

A scene is what would be seen without noise; every time it is used it is recorded anew, with another
dose, background, blur, drift of the scan and noise (domain randomisation: J. Tobin et al.,
IROS 2017, arXiv:1703.06907).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import parse_qsl

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope import simulate
from vaescope.simulate import lattice, systems
from vaescope.simulate.arguments import spreads
from vaescope.simulate.crystals import System
from vaescope.simulate.render import expected_counts
from vaescope.simulate.scattered import field, support
from vaescope.sites.learned.maxima import HEAT
from vaescope.sites.learned.picture import SPACING

SIZE = 144  # px, side of a scene
CROP = 96  # px, side of what is shown at once
_NEAREST = (0.72 * SPACING, 1.45 * SPACING)  # px: an estimated spacing may be that wrong
_WIDTH = (0.13, 0.29)  # of the distance of nearest columns
_ALONE = (1.2, 3.2)  # px, width of atoms without order, around a quarter of SPACING
_SPARSE = (4.5, 60.0)  # widths, side of the square that holds one of these on average
# A share of the scenes without order shows atoms too wide for this scale, or none at all: no sites.
_DECOYS = 0.3
_TOO_WIDE = (4.5, 14.0)  # px
_WEAKEST = 0.12  # of the strongest: weaker columns cannot be asked for
_WAYS = 5  # kinds of disturbance of a crystal: vacancies, strength, place, an edge, none


@dataclass
class TrainingScene:
    """Columns without noise, and the target of a detector for them; pictures are (SIZE, SIZE)."""

    clean: np.ndarray  # in units of the strongest column's peak
    heat: np.ndarray  # a Gaussian of height 1 on every site
    kind: np.ndarray  # species of the nearest site
    position: np.ndarray  # (site, 2) px as (y, x)
    width: float  # px, standard deviation of a column's image
    ordered: bool


@dataclass
class Recorded:
    """A noisy image of a part of a scene; pictures are (CROP, CROP)."""

    image: np.ndarray
    heat: np.ndarray
    kind: np.ndarray
    position: np.ndarray  # (site, 2) px; sites just outside are among them


def scene(name: str, rng: np.random.Generator) -> TrainingScene:
    """A scene of one system; parameters in its name are kept, all others are drawn at random.

    Parameters
    ----------
    name : of a simulation, such as `hexagonal` or `perovskite?ratio=0.3`.
    """
    system, given = simulate.parse(name)
    made = simulate.SYSTEMS[system]
    ordered = made.symmetry > 1
    fixed = {key for key, _ in parse_qsl(name.partition("?")[2], keep_blank_values=True)}
    own = spreads(given)
    # Those of a perovskite are drawn for every system: the numbers that follow depend on how many
    # were drawn before, and a detector must not change with what is simulated beside.
    drawn = {key: each.draw(rng) for key, each in (spreads(systems.Perovskite()) | own).items()}
    chosen = replace(given, **{key: drawn[key] for key in own if key not in fixed})
    decoy = False
    if ordered:
        nearest = _log_uniform(rng, _NEAREST)
        width = nearest * rng.uniform(*_WIDTH)
        spacing = nearest / _nearest_share(made, given)
    else:
        decoy = rng.uniform() < _DECOYS
        width = _log_uniform(rng, _TOO_WIDE if decoy else _ALONE)
        spacing = width * _log_uniform(rng, _SPARSE)
    columns = _built(made, replace(chosen, size=SIZE, spacing=spacing, width=width), rng)
    columns = _disturbed(columns, spacing, rng) if ordered else _unequal(columns, rng)
    columns = columns.where(columns.strength >= _WEAKEST)
    clean = expected_counts(columns, SIZE, 1.0, width, 0.0)
    if not ordered:
        clean = _out_of_focus(columns, clean, width, rng)
    if decoy:
        columns = columns.where(np.zeros(len(columns), bool))
        if rng.uniform() < 0.5:
            clean = np.zeros_like(clean)
        width = _log_uniform(rng, _ALONE)  # of the support and the noise
    position = np.stack([columns.y, columns.x], axis=1)
    heat, kind = target(position, columns.species, clean.shape)
    return TrainingScene(clean, heat, kind, position, width, ordered)


def target(
    position: np.ndarray, species: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """A Gaussian of height 1 on every site, and the species of the nearest one, (height, width)."""
    heat, kind = np.zeros(shape), np.zeros(shape, np.int64)
    reach = 4
    for (y, x), of in zip(position, species, strict=True):
        rows = np.arange(max(round(y) - reach, 0), min(round(y) + reach + 1, shape[0]))
        cols = np.arange(max(round(x) - reach, 0), min(round(x) + reach + 1, shape[1]))
        if not len(rows) or not len(cols):
            continue
        area = (slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1))
        bump = np.exp(-((rows - y)[:, None] ** 2 + (cols - x)[None, :] ** 2) / (2 * HEAT**2))
        kind[area] = np.where(bump > heat[area], of, kind[area])
        heat[area] = np.maximum(heat[area], bump)
    return heat, kind


def _built(
    made: System, parameters: simulate.Parameters, rng: np.random.Generator
) -> lattice.Columns:
    columns = made.build(parameters, rng)
    assert isinstance(columns, lattice.Columns)  # no movie
    return columns


def _nearest_share(made: System, given: simulate.Parameters) -> float:
    """Distance of nearest columns in a crystal, as a share of its parameter `spacing`."""
    plain = replace(given, size=200, spacing=20.0, width=3.0)
    columns = _built(made, plain, np.random.default_rng(0))
    place = np.stack([columns.y, columns.x], axis=1)
    return float(np.median(cKDTree(place).query(place, k=2)[0][:, 1])) / 20.0


def _unequal(atoms: lattice.Columns, rng: np.random.Generator) -> lattice.Columns:
    """Atoms whose brightness differs more or less: they sit at different heights."""
    factor = np.exp(rng.normal(0, rng.uniform(0, 0.4), len(atoms)))
    return replace(atoms, strength=np.clip(atoms.strength * factor, 0.35, 2.0))


def _out_of_focus(
    atoms: lattice.Columns, clean: np.ndarray, width: float, rng: np.random.Generator
) -> np.ndarray:
    """The image of atoms some of which are wider and therefore dimmer, (SIZE, SIZE)."""
    wide = width * rng.uniform(1.1, 1.5)
    some = atoms.where(rng.uniform(size=len(atoms)) < rng.uniform(0, 0.5))
    blurred = expected_counts(some, SIZE, (width / wide) ** 2, wide, 0.0)
    return clean - expected_counts(some, SIZE, 1.0, width, 0.0) + blurred


def _disturbed(
    columns: lattice.Columns, spacing: float, rng: np.random.Generator
) -> lattice.Columns:
    """Make a crystal imperfect, so that a detector relies on the image and not on periodicity."""
    count = len(columns)
    way = rng.integers(_WAYS, size=2)
    if 0 in way:
        columns = columns.where(rng.uniform(size=count) > rng.uniform(0, 0.25))
    if 1 in way:
        spread = rng.uniform(0.05, 0.3)
        factor = np.clip(rng.normal(1, spread, len(columns)), 0.3, 2.0)
        columns = replace(columns, strength=columns.strength * factor)
    if 2 in way:
        shift = rng.normal(0, rng.uniform(0.01, 0.07) * spacing, (2, len(columns)))
        columns = replace(columns, y=columns.y + shift[0], x=columns.x + shift[1])
    if 3 in way:
        turn = rng.uniform(0, 2 * np.pi)
        along = (columns.y - SIZE / 2) * np.sin(turn) + (columns.x - SIZE / 2) * np.cos(turn)
        columns = columns.where(along < rng.uniform(-0.4, 0.5) * SIZE)
    return columns


def record(chosen: TrainingScene, rng: np.random.Generator) -> Recorded:
    """A noisy image of a part of a scene, turned and mirrored at random."""
    corner = rng.integers(0, SIZE - CROP + 1, 2)
    part = (slice(corner[0], corner[0] + CROP), slice(corner[1], corner[1] + CROP))
    pictures = np.stack([chosen.clean[part], chosen.heat[part], chosen.kind[part]])
    position = chosen.position - corner
    if rng.uniform() < 0.5:
        pictures, position = pictures.swapaxes(1, 2), position[:, ::-1]
    for axis in (0, 1):
        if rng.uniform() < 0.5:
            pictures = np.flip(pictures, axis + 1)
            position = position.copy()
            position[:, axis] = CROP - 1 - position[:, axis]
    near = ((position > -4) & (position < CROP + 3)).all(axis=1)
    clean, heat, kind = pictures
    return Recorded(_recorded(clean, chosen, rng), heat, kind.astype(np.int64), position[near])


def _recorded(clean: np.ndarray, chosen: TrainingScene, rng: np.random.Generator) -> np.ndarray:
    """Counts in an instrument that is not perfect, (CROP, CROP)."""

    def sometimes(share: float) -> bool:
        return bool(rng.uniform() < share)

    width = chosen.width
    if sometimes(0.4):  # tails of the probe, and some astigmatism
        tail = rng.uniform(1.0, 2.5, 2) * width
        share = rng.uniform(0.05, 0.4)
        clean = (1 - share) * clean + share * ndimage.gaussian_filter(clean, tail) * 3
    if sometimes(0.4):  # thickness
        clean = clean * np.exp(rng.uniform(0.05, 0.5) * field(CROP, rng.uniform(8, 40), rng))
    image = clean + _log_uniform(rng, (0.02, 2.0))
    if sometimes(0.5 if chosen.ordered else 0.95):  # amorphous layer or support
        speckle = _log_uniform(rng, (0.02, 0.3 if chosen.ordered else 0.2))
        image = image + support(CROP, width * rng.uniform(0.8, 1.5), speckle, rng)
    if sometimes(0.4):  # contamination
        blot = field(CROP, rng.uniform(6, 40), rng)
        image = image + rng.uniform(0, 2.5) * np.maximum(blot + rng.uniform(-1, 1), 0)
    if sometimes(0.4):  # lines of the scan, each a little off
        image = _shifted_lines(image, rng.uniform(0, 0.5), rng)
    fewest = 10.0 if chosen.ordered else 30.0  # lone atoms must show by themselves
    if not len(chosen.position):
        fewest = 1.0  # single electrons are no atoms
    electrons = _log_uniform(rng, (fewest, 5000.0)) / (2 * np.pi * width**2)
    image = rng.poisson(np.maximum(image, 0) * electrons) / electrons
    if sometimes(0.4):
        image = image + rng.normal(0, _log_uniform(rng, (0.02, 0.4)), image.shape)
    if sometimes(0.3):
        image = image + rng.normal(0, _log_uniform(rng, (0.01, 0.2)), (CROP, 1))
    if sometimes(0.6):  # smoothing and resampling, by which noise gets grains
        image = ndimage.gaussian_filter(image, _log_uniform(rng, (0.3, max(1.1, 0.8 * width))))
    if sometimes(0.2):  # black level and saturation of a picture file
        low, high = np.percentile(image, [rng.uniform(0, 20), rng.uniform(97, 100)])
        image = np.clip(image, low, high)
    if sometimes(0.2):  # gamma
        low, high = image.min(), image.max()
        image = ((image - low) / max(high - low, 1e-9)) ** rng.uniform(0.6, 1.6)
    return image


def _shifted_lines(image: np.ndarray, spread: float, rng: np.random.Generator) -> np.ndarray:
    """Every line moved along itself by so many px, smoothly or each by itself."""
    shift = rng.normal(0, spread, len(image))
    if rng.uniform() < 0.5:
        shift = 2 * ndimage.gaussian_filter1d(shift, 2.0)
    at = np.arange(image.shape[1])
    return np.stack([np.interp(at + s, at, line) for s, line in zip(shift, image, strict=True)])


def _log_uniform(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))
