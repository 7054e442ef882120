"""Gold particles one by one: a picture as of an electron microscope, and the light they scatter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from vaescope.errors import UserError
from vaescope.simulate import dipoles
from vaescope.simulate.arguments import within
from vaescope.simulate.bodies import Body
from vaescope.simulate.crystals import truth
from vaescope.simulate.dipoles import GOLD, HBAR_C
from vaescope.simulate.recordings import Recording

KINDS = ("monomer", "dimer", "trimer", "rod")
_HOST = 1.5**2  # permittivity of the oil or glass around the particles
_FIRST, _LAST = 450.0, 950.0  # nm, of the spectra
_EDGE = 0.6  # share of the brightness of a particle that its edge has
_ESCAPE = 1.0  # px within which an edge is bright
_BLUR = 0.7  # px, standard deviation
_DARK = 0.25  # of the brightness of a particle: the support
_LARGEST_GAP = 1.5  # px
_AWAY = 1.5  # px by which a particle is off the centre, along each axis

TRUTHS = {
    "kind": truth("kind of the particle", "1", "categorical"),
    "angle": truth("direction of the particle", "rad", "cyclic", period=np.pi),
    "radius": truth("mean radius of one body", "px"),
    "aspect": truth("aspect ratio of one body", "1"),
    "gap": truth("gap between neighbouring bodies (0: one body)", "px"),
    "bend": truth("angle between the arms of a trimer (0: no trimer)", "rad"),
    "shift_y": truth("row of the centre, from that of the picture", "px", "diverging"),
    "shift_x": truth("column of the centre, from that of the picture", "px", "diverging"),
}


@dataclass(frozen=True)
class Particles:
    """What can be asked of `particles`."""

    count: int = within(300, 1, 1e6)  # particles, each with a picture and a spectrum
    size: int = within(32, 16, 256)  # px, side of a picture
    energies: int = within(32, 8, 1024)  # wavelengths, from 450 to 950 nm
    polarisers: int = within(4, 1, 36)  # directions of the polariser, over half a turn
    dose: float = within(300.0, 0.1, 1e9)  # counts in the strongest channel of a usual particle
    rods: float = within(0.25, 0.0, 1.0)  # share that are rods
    monomers: float = within(0.25, 0.0, 1.0)  # share that are monomers
    radius: float = within(3.5, 1.5, 60.0)  # px, of one body, give or take 20 %
    aspect: float = within(3.0, 1.0, 6.0)  # greatest aspect ratio of a rod
    pixel: float = within(8.0, 0.5, 20.0)  # nm, size of a pixel
    leak: float = within(0.05, 0.0, 1.0)  # share of light that passes a crossed polariser
    background: float = within(0.05, 0.0, 10.0)  # of the strongest channel of a usual particle
    electrons: float = within(100.0, 1.0, 1e7)  # per pixel of a picture, on a particle


def particles(p: Particles, rng: np.random.Generator) -> Recording:
    """Monomers, dimers, trimers and rods of gold, each with a picture and a spectrum.

    Light comes from all sides; what a particle scatters, as coupled dipoles do, is seen through a
    polariser in several directions. Channels are the wavelengths at the first direction, then those
    at the next. Of a rod, the light at one wavelength is a constant and a cosine of twice the angle
    between rod and polariser. Particles that are neither monomers nor rods are dimers or trimers,
    as often.

    Raises
    ------
    UserError : the largest particles would not fit into a picture.
    """
    reach = 3 * 1.2 * p.radius + _LARGEST_GAP + _AWAY
    if reach > p.size / 2:
        raise UserError(
            "the simulated particles do not fit into their pictures",
            found=f"a `radius` of {p.radius:g} pixels in pictures of {p.size}",
            expected=f"pictures of {int(np.ceil(2 * reach))} pixels or more",
            remedy="Ask for a smaller `radius` or a larger `size`",
        )
    kinds = rng.choice(4, p.count, p=_shares(p))
    objects = [_object(p, int(kind), rng) for kind in kinds]
    wavelength, polariser = channels(p.energies, p.polarisers)
    in_nm = [[body.scaled(p.pixel) for body in each.bodies] for each in objects]
    light = np.stack([scattered(bodies, wavelength, polariser, p.leak) for bodies in in_nm])
    usual = np.median(light.max(1))
    expected = p.dose * (light / usual + p.background)
    pictures = np.stack([_picture(p, each) for each in objects])
    truths = {
        "kind": kinds,
        "angle": [each.angle % np.pi for each in objects],
        "radius": [np.sqrt(each.bodies[0].long * each.bodies[0].short) for each in objects],
        "aspect": [each.bodies[0].aspect for each in objects],
        "gap": [each.gap for each in objects],
        "bend": [each.bend for each in objects],
        "shift_y": [each.shift[0] for each in objects],
        "shift_x": [each.shift[1] for each in objects],
    }
    expected = expected[:, None, None]
    return Recording(
        image=rng.poisson(pictures),
        spectra=rng.poisson(expected),
        expected=expected,
        energy=np.arange(len(wavelength), dtype=float),
        truth={key: np.asarray(values)[:, None, None] for key, values in truths.items()},
        pixel=p.pixel,
        pitch=(p.size, p.size),
        start=((p.size - 1) / 2, (p.size - 1) / 2),
        channels={
            "wavelength": (wavelength, {"long_name": "wavelength", "units": "nm"}),
            "polariser": (
                polariser,
                {"long_name": "direction of the polariser", "units": "rad"},
            ),
        },
    )


def channels(energies: int, polarisers: int) -> tuple[np.ndarray, np.ndarray]:
    """Wavelength (nm) and direction of the polariser (rad, counter-clockwise from x as seen) of
    every channel."""
    step = (_LAST - _FIRST) / energies
    wavelength = _FIRST + (np.arange(energies) + 0.5) * step
    polariser = np.pi * np.arange(polarisers) / polarisers
    return np.tile(wavelength, polarisers), np.repeat(polariser, energies)


def scattered(
    bodies: Sequence[Body], wavelength: np.ndarray, polariser: np.ndarray, leak: float = 0.0
) -> np.ndarray:
    """Light scattered along the beam by one object, through a polariser, arbitrary units.

    Parameters
    ----------
    bodies : in nm. wavelength : (channel,) nm, in vacuum. polariser : (channel,) rad.
    leak : share of the light that passes a crossed polariser.

    Returns
    -------
    (channel,) float.
    """
    energy = 2 * np.pi * HBAR_C / wavelength
    found = dipoles.modes(bodies, GOLD, _HOST)
    moment = found.moments(bodies)
    answer = np.einsum("mi,mj,me->eij", moment, moment, found.response(energy))
    along = np.stack([-np.sin(polariser), np.cos(polariser)], 1)
    seen = (np.abs(np.einsum("eij,ei->ej", answer, along)) ** 2).sum(1)
    all_of_it = (np.abs(answer) ** 2).sum((1, 2))
    return energy**4 * ((1 - leak) * seen + leak * (all_of_it - seen))


@dataclass(frozen=True)
class Cluster:
    """One particle: its bodies in px about the centre of the picture, and what is true of it."""

    bodies: list[Body]
    angle: float
    gap: float
    bend: float
    shift: np.ndarray


def _shares(p: Particles) -> np.ndarray:
    alone = np.array([p.monomers, p.rods])
    alone = alone / max(alone.sum(), 1)
    rest = (1 - alone.sum()) / 2
    return np.array([alone[0], rest, rest, alone[1]])


def _object(p: Particles, kind: int, rng: np.random.Generator) -> Cluster:
    """One particle at random."""
    radius, angle = p.radius * rng.uniform(0.8, 1.2), rng.uniform(0, 2 * np.pi)
    apart, bend = rng.uniform(0.25, _LARGEST_GAP), rng.uniform(np.pi / 3, np.pi)
    aspect = rng.uniform(min(1.5, p.aspect), p.aspect) if kind == 3 else rng.uniform(1.0, 1.1)
    shift = rng.uniform(-_AWAY, _AWAY, 2)
    if kind in (0, 3):
        long, short = radius * np.sqrt(aspect), radius / np.sqrt(aspect)
        bodies = [Body(0.0, 0.0, angle, long, short, kind == 3)]
        return Cluster(_at(bodies, shift), angle, 0.0, 0.0, shift)
    step = 2 * radius + apart
    if kind == 1:
        places = [(-step / 2, 0.0), (step / 2, 0.0)]
    else:
        # The arms of a trimer lie evenly about the direction in which it bends.
        half = bend / 2
        places = [(0.0, 0.0), *((step * np.sin(s * half), step * np.cos(half)) for s in (-1, 1))]
    middle = np.mean(places, axis=0)
    cos, sin = np.cos(angle), np.sin(angle)
    bodies = []
    for along, across in np.asarray(places) - middle:
        x, y = cos * along - sin * across, -(sin * along + cos * across)
        bodies.append(Body(y, x, angle, radius, radius))
    return Cluster(_at(bodies, shift), angle, apart, bend if kind == 2 else 0.0, shift)


def _at(bodies: Sequence[Body], shift: np.ndarray) -> list[Body]:
    return [replace(body, y=body.y + shift[0], x=body.x + shift[1]) for body in bodies]


def _picture(p: Particles, cluster: Cluster) -> np.ndarray:
    """Expected electrons per pixel, (size, size): bright at edges, where more electrons escape."""
    axis = np.arange(p.size) - (p.size - 1) / 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    depth = -np.min([body.distance(y, x) for body in cluster.bodies], axis=0)
    inside = np.clip(depth + 0.5, 0, 1)
    bright = inside * (1 - _EDGE + _EDGE * np.exp(-np.maximum(depth, 0) / _ESCAPE))
    return p.electrons * (_DARK + ndimage.gaussian_filter(bright, _BLUR))
