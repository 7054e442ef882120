"""Plasmons of silver particles: electron energy losses at every pixel of a dark-field image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.special import k0, k1

from vaescope.simulate import dipoles
from vaescope.simulate.arguments import within
from vaescope.simulate.bodies import Body, gap, scatter
from vaescope.simulate.crystals import truth
from vaescope.simulate.dipoles import HBAR_C, SILVER
from vaescope.simulate.recordings import Recording

KINDS = ("ellipse", "rod", "dimer")
_FIRST, _LAST = 1.0, 5.0  # eV, of the spectra
_FINE = 4  # energies computed for one channel
_SPEED, _GAMMA = 0.5482, 1.1957  # of electrons of 100 keV: share of that of light, Lorentz factor
_FINE_STRUCTURE = 1 / 137.036
_CUTOFF = 4.0  # 1/nm, wave vector beyond which single electrons take the place of the plasmon
_PROBE = 0.5  # px: nearer than this, the probe and the response of the metal are not local
_MULTIPOLES = 0.5  # share of the losses at a plane surface that dipoles do not account for
_FAR = 7.0  # decay lengths beyond which an electron excites nothing
_TAIL_POWER = 3.0  # of the energy, with which the tail of the zero-loss peak falls
_WALL = 0.04  # of the counts of the thickest metal: the support in the image
_SUB = 3  # points of a pixel of the image, along each axis

TRUTHS = {
    "particle": truth("particle at this pixel (-1: none)", "1", "categorical"),
    "nearest": truth("nearest particle", "1", "categorical"),
    "kind": truth("kind of the nearest particle", "1", "categorical"),
    "distance": truth("distance from the nearest surface, negative inside", "px", "diverging"),
    "tip_distance": truth("distance from the nearest tip of the nearest particle", "px"),
    "aspect": truth("aspect ratio of the nearest particle", "1"),
    "radius": truth("mean radius of the nearest particle", "px"),
    "thickness": truth("thickness of the metal", "px"),
    "gap": truth("gap of the dimer (0: no dimer)", "px"),
}


@dataclass(frozen=True)
class Plasmons:
    """What can be asked of `plasmons`."""

    size: int = within(64, 16, 512)  # px, side of the square image, one spectrum per pixel
    energies: int = within(128, 8, 2048)  # channels, from 1 to 5 eV
    dose: float = within(2e5, 1.0, 1e12)  # electrons per pixel of the spectra
    particles: int = within(9, 1, 1000)  # objects; a dimer is one
    rods: float = within(0.2, 0.0, 1.0)  # probability that an object is a rod
    dimers: float = within(0.15, 0.0, 1.0)  # probability that it is a dimer
    radius: float = within(5.0, 1.5, 100.0)  # px, root of half length times half breadth
    aspect: float = within(2.8, 1.0, 8.0)  # greatest aspect ratio
    pixel: float = within(4.0, 0.2, 20.0)  # nm, size of a pixel
    resolution: float = within(0.1, 0.0, 1.0)  # eV, full width at half maximum
    tail: float = within(0.01, 0.0, 1.0)  # 1/eV, tail of the zero-loss peak at 1 eV
    electrons: float = within(200.0, 1.0, 1e7)  # per pixel of the image, on metal 2 radii thick


def plasmons(p: Plasmons, rng: np.random.Generator) -> Recording:
    """Particles of silver on a support, their dark-field image and a loss spectrum at every pixel.

    Particles are ellipsoids, rods and dimers of ellipsoids, at random and apart. Rods and the
    longest ellipsoids have a mode along them that is seen at their tips and moves red with the
    aspect ratio, all have a mode across, multipoles at the edge, and volume plasmons inside.

    Raises
    ------
    UserError : the particles do not fit into the image.
    """
    bodies = scatter(lambda index: _object(p, index, rng), p.particles, p.size, 3.0, rng)
    y, x = np.mgrid[: p.size, : p.size].astype(float)
    energy = axis(p.energies)
    expected = p.dose * losses(
        bodies, y.ravel(), x.ravel(), p.pixel, p.energies, p.resolution, p.tail
    )
    expected = expected.reshape(1, p.size, p.size, p.energies)
    known = {key: values[None] for key, values in describe(bodies, y, x).items()}
    image = _dark_field(p, bodies)
    return Recording(
        image=rng.poisson(image)[None],
        spectra=rng.poisson(expected),
        expected=expected,
        energy=energy,
        truth=known,
        pixel=p.pixel,
    )


def axis(energies: int) -> np.ndarray:
    """Centres of the channels in eV."""
    return _FIRST + (np.arange(energies) + 0.5) * (_LAST - _FIRST) / energies


def losses(
    bodies: Sequence[Body],
    y: np.ndarray,
    x: np.ndarray,
    pixel: float,
    energies: int,
    resolution: float = 0.1,
    tail: float = 0.01,
) -> np.ndarray:
    """Probability of an energy loss per channel, for electrons of 100 keV at some points.

    An electron excites a dipole by its field averaged over the body, which falls as K1 of the
    distance (across the beam) and K0 (along it). Where several bodies make up one object, the modes
    are those of coupled dipoles (``dipoles``). What dipoles leave out of the modes at the surface
    is taken from a plane, and falls as K0(2ωd/v) with the distance d from it; the volume plasmon
    loses at the surface what that gains. Objects do not act on each other. Source: F. J. García de
    Abajo, Rev. Mod. Phys. 82 (2010) 209, sections III and IV.

    Parameters
    ----------
    bodies : in px. y, x : (point,) px. pixel : nm.
    energies : number of channels. resolution : eV, full width at half maximum.
    tail : 1/eV, of the zero-loss peak at 1 eV.

    Returns
    -------
    (point, channel) float.
    """
    step = (_LAST - _FIRST) / energies / _FINE
    margin = int(np.ceil(min(2 * resolution, _FIRST / 2) / step))
    fine = _FIRST + step * (np.arange(-margin, energies * _FINE + margin) + 0.5)
    weights, shapes = [], []
    for group in sorted({body.group for body in bodies}):
        own = [body.scaled(pixel) for body in bodies if body.group == group]
        weight, shape = _of_object(own, y * pixel, x * pixel, fine, _PROBE * pixel)
        weights.append(weight)
        shapes.append(shape)
    weights.append(np.full((1, len(y)), tail))
    shapes.append(fine[None] ** -_TAIL_POWER)
    line = np.concatenate(shapes)
    if resolution:
        line = ndimage.gaussian_filter1d(line, resolution / 2.3548 / step, axis=1)
    line = line[:, margin : margin + energies * _FINE].reshape(len(line), energies, _FINE)
    return np.concatenate(weights).T @ (line.sum(2) * step)


def describe(bodies: Sequence[Body], y: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
    """What is true at some points: see ``TRUTHS``, without the prefix; lengths as in ``bodies``."""
    distance = np.stack([body.distance(y, x) for body in bodies])
    nearest = distance.argmin(0)

    def of_nearest(values: Sequence[float] | np.ndarray) -> np.ndarray:
        return np.asarray(values)[nearest]

    group = [body.group for body in bodies]
    twins = {index: [body for body in bodies if body.group == index] for index in set(group)}
    gaps = {index: _apart(own) for index, own in twins.items()}
    kinds = [2 if len(twins[body.group]) > 1 else int(body.rod) for body in bodies]
    tips = np.stack([body.tip_distance(y, x) for body in bodies])
    return {
        "particle": np.where(distance.min(0) < 0, of_nearest(group), -1),
        "nearest": of_nearest(group),
        "kind": of_nearest(kinds),
        "distance": distance.min(0),
        "tip_distance": np.take_along_axis(tips, nearest[None], 0)[0],
        "aspect": of_nearest([body.aspect for body in bodies]),
        "radius": of_nearest([np.sqrt(body.long * body.short) for body in bodies]),
        "thickness": np.max([body.thickness(y, x) for body in bodies], axis=0),
        "gap": of_nearest([gaps[index] for index in group]),
    }


def _apart(own: Sequence[Body]) -> float:
    """Gap between the bodies of a dimer; 0 where there is one body."""
    return gap(own[0], own[1]) if len(own) > 1 else 0.0


def _object(p: Plasmons, index: int, rng: np.random.Generator) -> list[Body]:
    """One object at random about the origin."""
    kind = rng.uniform()
    radius = p.radius * rng.uniform(0.7, 1.3)
    angle = rng.uniform(0, 2 * np.pi)
    aspect = rng.uniform(1.0, p.aspect)
    if kind < p.dimers:
        return _dimer(p, index, radius / np.sqrt(2), angle, rng)
    rod = kind < p.dimers + p.rods
    if rod:
        aspect = max(aspect, (1 + p.aspect) / 2)
    long, short = radius * np.sqrt(aspect), radius / np.sqrt(aspect)
    return [Body(0.0, 0.0, angle, long, short, rod, index)]


def _dimer(
    p: Plasmons, index: int, radius: float, angle: float, rng: np.random.Generator
) -> list[Body]:
    """Two ellipsoids, tip to tip, a gap of 1 to 3 px between them."""
    aspect = rng.uniform(1.0, min(1.5, p.aspect))
    long, short = radius * np.sqrt(aspect), radius / np.sqrt(aspect)
    half = long + rng.uniform(0.5, 1.5)
    dy, dx = -half * np.sin(angle), half * np.cos(angle)
    return [Body(s * dy, s * dx, angle, long, short, False, index) for s in (-1, 1)]


def _of_object(
    bodies: Sequence[Body], y: np.ndarray, x: np.ndarray, energy: np.ndarray, probe: float
) -> tuple[np.ndarray, np.ndarray]:
    """Losses to one object, in nm: (part, point) weights and (part, energy) lines, 1/eV."""
    found = dipoles.modes(bodies)
    weights = [
        _excited(bodies, y, x, float(found.energy[m]), found.direction[m], probe)
        for m in range(len(found.energy))
    ]
    lines = list(found.response(energy).imag)
    surface, bulk = np.zeros(len(y)), np.zeros(len(y))
    metal = SILVER.permittivity(energy, dipoles.surface_damping(bodies))
    wave = dipoles.resonance(np.array(0.5)) / (HBAR_C * _SPEED)  # of the plasmon of a plane
    for body in bodies:
        away = np.hypot(body.distance(y, x), probe)
        near = k0(2 * wave * away)
        surface = surface + near * np.pi / 2 * body.short * _MULTIPOLES
        bulk = bulk + body.thickness(y, x) * np.maximum(np.log(_CUTOFF / wave) - near, 0)
    scale = 2 * _FINE_STRUCTURE / (np.pi * _SPEED**2 * HBAR_C)
    weights += [scale * surface, scale * bulk]
    lines += [np.imag(-2 / (metal + 1)), np.imag(-1 / metal)]
    return np.stack(weights), np.stack(lines)


def _excited(
    bodies: Sequence[Body],
    y: np.ndarray,
    x: np.ndarray,
    energy: float,
    direction: np.ndarray,
    probe: float,
) -> np.ndarray:
    """How strongly an electron at some points excites a mode, (point,).

    Parameters
    ----------
    energy : eV, of the mode. direction : (body, 3), see ``dipoles.Resonances``.
    """
    wave = energy / (HBAR_C * _SPEED * _GAMMA)
    across, along = np.zeros(len(y)), np.zeros(len(y))
    for body, share in zip(bodies, direction, strict=True):
        if not np.abs(share).max() > 1e-9:
            continue
        u, v = body.local(y, x)
        near = np.flatnonzero(np.hypot(u, v) < body.long + _FAR / wave)
        at_u, at_v, weight = body.nodes
        du, dv = u[near, None] - at_u, v[near, None] - at_v
        # Softened by the spacing of the nodes too, so that none of them is seen by itself.
        soft = probe**2 + np.pi * body.long * body.short / len(weight)
        away = np.sqrt(du**2 + dv**2 + soft)
        root = np.sqrt(body.volume)
        if np.abs(share[:2]).max() > 1e-9:
            pull = weight * k1(wave * away) / away
            across[near] += root * (share[0] * (du * pull).sum(1) + share[1] * (dv * pull).sum(1))
        if abs(share[2]) > 1e-9:
            along[near] += root * share[2] * (k0(wave * away) @ weight) / _GAMMA
    scale = wave**2 / (HBAR_C * _SPEED**2) * _FINE_STRUCTURE / np.pi**2
    return scale * (across**2 + along**2)


def _dark_field(p: Plasmons, bodies: Sequence[Body]) -> np.ndarray:
    """Expected electrons per pixel of the dark-field image, (size, size)."""
    fine = (np.arange(p.size * _SUB) + 0.5) / _SUB - 0.5
    y, x = np.meshgrid(fine, fine, indexing="ij")
    thick = np.max([body.thickness(y, x) for body in bodies], axis=0)
    thick = thick.reshape(p.size, _SUB, p.size, _SUB).mean((1, 3))
    return p.electrons * (_WALL + thick / (2 * p.radius))
