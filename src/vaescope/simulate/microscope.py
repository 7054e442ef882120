"""What a microscope does to the image of a crystal: drift, shifted rows, clutter, shading, tilt,
tails.

All of it is off by default, and drawn from a generator of its own: the same seed gives the same
crystal with and without.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from vaescope.simulate.arguments import Parameters
from vaescope.simulate.lattice import Columns
from vaescope.simulate.render import expected_counts, position_bound
from vaescope.simulate.scattered import SingleAtoms, support

_TAIL = 3.0  # the tails of the probe are so many times as wide as its core
_BOW = 0.5  # greatest share of the drift that is not steady
_CLOUD = 2.5  # lattice parameters, standard deviation that smooths the clutter into clouds
_WAVE = 0.2  # of the image's side, standard deviation that smooths the shading
_SPECKLE = 0.4  # how strongly the clutter varies from one width of the probe to the next


@dataclass(frozen=True)
class Microscope:
    """The microscope of one image or movie; the clutter stays, rows are shifted in each frame."""

    parameters: Parameters
    direction: np.ndarray  # (2,) unit vector (y, x) of the drift
    bow: float  # share of the drift that is not steady
    tilt: tuple[float, float]  # (y, x) px from the bottom of a column to its top
    clutter: np.ndarray | None  # (size, size) in units of the peak of a strong column
    gain: np.ndarray | None  # (size, size) by which all is brighter, as where it is thicker
    rng: np.random.Generator  # shifts the rows, anew in each frame

    @property
    def margin(self) -> float:
        """How far outside the image columns still light its edge, px."""
        p = self.parameters
        return 6 * p.width + p.tilt + 4 * p.scan_noise

    @property
    def peak(self) -> float:
        """Electrons per pixel at the centre of an upright column of strength 1."""
        return self.parameters.dose / (2 * np.pi * self.parameters.width**2)

    def scan(self, columns: Columns) -> Columns:
        """The columns where they are seen: the specimen moves while the rows are scanned.

        The row scanned last lies ``drift`` px off, measured against the first; the centre of the
        image stays. The lattice turns by half the shear along x.
        """
        p = self.parameters
        if not p.drift:
            return columns
        time = columns.y / (p.size - 1) - 0.5
        course = time + self.bow * (time**2 - 0.25)
        shear = p.drift * (1 + 2 * self.bow * time) / (p.size - 1)
        y, x = self.direction[:, None] * p.drift * course
        return replace(
            columns,
            y=columns.y + y,
            x=columns.x + x,
            angle=columns.angle + 0.5 * self.direction[1] * shear,
        )

    def expose(self, columns: Columns) -> np.ndarray:
        """Expected electrons per pixel of one frame, (size, size)."""
        p, peak = self.parameters, self.peak
        jitter = self.rng.normal(0, p.scan_noise, p.size) if p.scan_noise else None
        image = expected_counts(
            columns, p.size, peak, p.width, p.background * peak, self.tilt, jitter
        )
        if p.tails:
            spread = p.width * np.sqrt(_TAIL**2 - 1)  # on top of the core's own width
            image = (1 - p.tails) * image + p.tails * ndimage.gaussian_filter(image, spread)
        if self.clutter is not None:
            image += peak * (self.clutter if jitter is None else _shifted(self.clutter, jitter))
        return image if self.gain is None else image * self.gain

    def gain_of(self, columns: Columns) -> np.ndarray | None:
        """The gain (site,) where columns are, None where it is 1 everywhere."""
        if self.gain is None:
            return None
        return ndimage.map_coordinates(self.gain, [columns.y, columns.x], order=1, mode="nearest")

    def bound(self, columns: Columns, expected: np.ndarray, which: np.ndarray) -> np.ndarray:
        """Cramér–Rao bound of the positions of some columns of one frame, (len(which),) px."""
        p = self.parameters
        core = (1 - p.tails) * self.peak
        return position_bound(columns, expected, core, p.width, which, self.tilt)


def microscope(p: Parameters, rng: np.random.Generator) -> Microscope:
    """A microscope as asked for; what is not told of it is drawn at random."""
    drift, bow, tilt = rng.uniform(0, 2 * np.pi), rng.uniform(-_BOW, _BOW), rng.uniform(0, np.pi)
    return Microscope(
        p,
        direction=np.array([np.sin(drift), np.cos(drift)]),
        bow=bow,
        tilt=(p.tilt * float(np.sin(tilt)), p.tilt * float(np.cos(tilt))),
        clutter=_clutter(p, rng),
        gain=np.exp(p.shading * _smooth(p.size, _WAVE * p.size, rng)) if p.shading else None,
        rng=rng,
    )


def _clutter(p: Parameters, rng: np.random.Generator) -> np.ndarray | None:
    """All that is amorphous, (size, size), in units of the peak of a strong column."""
    parts = []
    if p.contamination:
        parts.append(p.contamination * _clouds(p, rng))
    if isinstance(p, SingleAtoms) and p.support:
        parts.append(support(p.size, p.width, p.support, rng))
    return np.sum(parts, axis=0) if parts else None


def _clouds(p: Parameters, rng: np.random.Generator) -> np.ndarray:
    """Contamination, (size, size): clouds that speckle on the scale of the probe; mean 1."""
    clouds = np.clip(0.5 + _smooth(p.size, _CLOUD * p.spacing, rng), 0, None)
    image = clouds * np.exp(_SPECKLE * _smooth(p.size, p.width, rng))
    return image / image.mean()


def _smooth(size: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Smoothed noise of mean 0 and standard deviation 1."""
    field = ndimage.gaussian_filter(rng.normal(size=(size, size)), scale, mode="wrap")
    return (field - field.mean()) / field.std()


def _shifted(image: np.ndarray, jitter: np.ndarray) -> np.ndarray:
    """Each row shifted to the right by its jitter."""
    axis = np.arange(image.shape[1])
    return np.stack([np.interp(axis - s, axis, row) for s, row in zip(jitter, image, strict=True)])
