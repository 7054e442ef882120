"""Movies of the polarisation of a lattice in a field, as systems: a cycle of the field, or a switch
of it, see `ferrosim`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import UserError
from vaescope.simulate import ferrosim
from vaescope.simulate.arguments import one_of, recorded, within
from vaescope.simulate.crystals import truth

if TYPE_CHECKING:
    import xarray as xr

CHANNELS = ("polarisation x", "polarisation y")
"""Names of the channels that hold a polarisation: x to the right, y downwards."""

_STEP = 0.4  # share of the longest stable step
_WORK = 4e9  # sites times steps, at most: minutes
_PIXELS = 2**25  # of all frames, at most
_FRAME = ("time", "y", "x")

TRUTHS = {
    "field_x": truth("applied field along x, in units of Ec", "1", "diverging"),
    "field_y": truth("applied field along y, in units of Ec", "1", "diverging"),
    "polarisation_x": truth("polarisation along x without noise", "1", "diverging"),
    "polarisation_y": truth("polarisation along y without noise", "1", "diverging"),
    "curl": truth("curl of the polarisation, positive clockwise", "1/px", "diverging"),
    "defect": truth("field of the defect at a site, in units of Ec", "1"),
    **{
        f"energy_{part}": truth(f"energy per site: {words}", "1")
        for part, words in {
            "landau": "of the site alone",
            "coupling": "of neighbours that differ",
            "field": "in the applied field",
            "defects": "in the fields of defects",
            "depolarisation": "of the depolarisation",
        }.items()
    },
}


@dataclass(frozen=True)
class PolarisationMovie:
    """Parameters of `ferrosim`."""

    size: int = within(64, 8, 1024)  # px, sites along an edge of the lattice
    model: str = one_of("tetragonal", "uniaxial", "squareelectric", "rhombohedral")
    boundary: str = one_of("open", "periodic", "dead")
    course: str = one_of("cycle", "switch")  # of the field: a sine, or constant
    field: float = within(12.0, 0.0, 500.0)  # Ec, its amplitude
    direction: float = within(90.0, -360.0, 360.0)  # degrees from x (right) to y (down)
    cycles: float = within(1.25, 0.1, 100.0)  # of the sine
    duration: float = within(8.0, 0.01, 1000.0)  # inverse mobilities
    frames: int = within(41, 1, 1000)
    start: str = one_of("poled", "random")  # in a minimum of the energy, or at random
    coupling: float = within(100.0, 0.0, 10000.0)
    depolarisation: float = within(0.3, 0.0, 1000.0)
    defects: float = within(0.05, 0.0, 1.0)  # share of the sites
    strength: float = within(80.0, 0.0, 1000.0)  # Ec, standard deviation of a defect's field
    noise: float = within(0.02, 0.0, 100.0)  # sd, share of the largest polarisation
    pixel: float = within(0.4, 0.001, 1000.0)  # nm from site to site

    @property
    def physics(self) -> dict[str, Any]:
        """Those that functions of `ferrosim` take."""
        names = ("model", "coupling", "depolarisation", "boundary")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class LatticeCourse:
    """What a lattice did: ``polarisation`` (time, 2, y, x), ``field`` (time, 2) Ec and ``time``
    (time,) of each frame, ``defects`` (y·x, 2) Ec, ``energies`` name -> (time,) per site."""

    polarisation: np.ndarray
    field: np.ndarray
    time: np.ndarray
    defects: np.ndarray
    energies: dict[str, np.ndarray]


@dataclass(frozen=True)
class PolarisationSystem:
    """A lattice of polarisation that can be simulated.

    ``build`` : its course, of its ``parameters``.
    """

    build: Callable[[PolarisationMovie, np.random.Generator], LatticeCourse]
    parameters: PolarisationMovie

    def make(self, name: str, parameters: PolarisationMovie, seed: int) -> xr.Dataset:
        """Simulate the movie that a name with parameters stands for, with its truth."""
        import xarray as xr

        p, rng = parameters, np.random.default_rng(seed)
        made = self.build(p, rng)
        clean = made.polarisation
        spread = p.noise * np.sqrt((clean**2).sum(axis=1)).max()
        seen = clean + rng.normal(0, spread, clean.shape)
        defect = np.hypot(*made.defects.T).reshape(p.size, p.size)
        curl = ferrosim.curl(clean, boundary=p.physics["boundary"])
        frames = {
            "polarisation_x": clean[:, 0],
            "polarisation_y": clean[:, 1],
            "curl": curl,
            "defect": np.broadcast_to(defect, curl.shape),
        }
        courses = {"field_x": made.field[:, 0], "field_y": made.field[:, 1]}
        courses |= {f"energy_{part}": values for part, values in made.energies.items()}
        axis = np.arange(p.size) * p.pixel
        image = xr.Dataset(
            {
                "image": (
                    ("time", "channel", "y", "x"),
                    seen.astype(np.float32),
                    {"long_name": "polarisation", "units": "1"},
                ),
                **{
                    f"truth_{key}": (_FRAME, values.astype(np.float32), TRUTHS[key])
                    for key, values in frames.items()
                },
                **{
                    f"truth_{key}": ("time", values, TRUTHS[key]) for key, values in courses.items()
                },
            },
            coords={
                "time": ("time", made.time, {"long_name": "time", "units": "1/γ"}),
                "channel": list(CHANNELS),
                "y": ("y", axis, {"long_name": "y", "units": "nm"}),
                "x": ("x", axis, {"long_name": "x", "units": "nm"}),
            },
            attrs={
                "pixel_size": p.pixel,
                "pixel_unit": "nm",
                "calibrated": True,
                "boundary": p.boundary,
                **recorded(name, p, seed),
            },
        )
        return image.chunk({"time": 1, "channel": 1})


def lattice(p: PolarisationMovie, rng: np.random.Generator) -> LatticeCourse:
    """A lattice of polarisation in a cycle of the field, or in a constant one; a single frame is
    the last.

    Raises
    ------
    UserError : the movie would take hours, or would not fit in memory.
    """
    material = ferrosim.of_model(**p.physics)
    held = rng.random(p.size**2) < p.defects
    defects = p.strength * rng.normal(0, 1, (p.size**2, 2)) * held[:, None]
    largest = material.largest(material.coercive_field * (p.field + np.abs(defects).max()))
    longest = _STEP * material.longest_step(max(largest, 1.5 * material.diagonal_saturation))
    parts = max(p.frames - 1, 1)
    between = int(np.ceil(p.duration / longest / parts))
    steps = between * parts
    _refuse(p, steps)
    times = np.linspace(0, p.duration, steps + 1)
    strength = np.full(len(times), p.field)
    if p.course == "cycle":
        strength = p.field * np.sin(2 * np.pi * p.cycles * times / p.duration)
    turn = np.radians(p.direction)
    field = strength[:, None] * np.array([np.cos(turn), np.sin(turn)])
    start = None
    if p.start == "random":
        start = rng.normal(0, 0.5 * material.diagonal_saturation, (2, p.size, p.size))
    shown = range(0 if p.frames > 1 else steps, steps + 1, between)
    course = ferrosim.run(field[None], times, defects, p.size, start=start, keep=shown, **p.physics)
    energies = ferrosim.energies(course.astype(float), field[None, shown], defects, **p.physics)
    return LatticeCourse(
        course[0].astype(float),
        field[shown],
        times[shown],
        defects,
        {part: values[0] / p.size**2 for part, values in energies.items()},
    )


def _refuse(p: PolarisationMovie, steps: int) -> None:
    work, pixels = p.size**2 * steps, 2 * p.frames * p.size**2
    if work > _WORK or pixels > _PIXELS:
        raise UserError(
            "the simulated movie would take too long or too much memory",
            found=f"{work:.2g} steps of lattice sites, {pixels:.2g} values in all frames",
            expected=f"at most {_WORK:.2g} and {_PIXELS:.2g}",
            remedy="Ask for a smaller `size`, a shorter `duration` or fewer `frames`",
        )


LATTICES: dict[str, PolarisationSystem] = {
    "ferrosim": PolarisationSystem(lattice, PolarisationMovie()),
}
"""The lattices of polarisation that can be simulated."""
