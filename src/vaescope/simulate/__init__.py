"""Data with known truth: crystals with known columns, cards with known suits, angles and shears,
spectrum images with known spectra, ferroelectrics with known domain walls or polarisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaescope.simulate import arguments
from vaescope.simulate.arguments import Parameters
from vaescope.simulate.crystals import System
from vaescope.simulate.domain_walls import PIEZO
from vaescope.simulate.parted import image_of, spectra_of
from vaescope.simulate.piezo_movies import PiezoSystem
from vaescope.simulate.polarisation_movies import LATTICES, PolarisationSystem
from vaescope.simulate.recordings import SpectrumSystem
from vaescope.simulate.spectral import SPECTRA
from vaescope.simulate.stacks import STACKS, StackSystem
from vaescope.simulate.systems import SYSTEMS

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "LATTICES",
    "PIEZO",
    "SPECTRA",
    "STACKS",
    "SYSTEMS",
    "Parameters",
    "image_of",
    "make",
    "parse",
    "spectra_of",
]


def make(name: str, seed: int = 0) -> xr.Dataset:
    """Simulate an image, or a stack of pictures, with its truth; the same name and seed give the
    same numbers.

    Parameters
    ----------
    name : of a crystal or movie (`SYSTEMS`), `cards1` to `cards4`, `stem-pairs` or
        `colour-cards`, a spectrum image (`SPECTRA`), ferroelectric domains (`PIEZO`) or a
        lattice of polarisation (`LATTICES`), with parameters if wanted, as in
        `perovskite?dose=500&size=256`; `config/README.md` lists them all.
    seed : of the random generator.

    Returns
    -------
    Dataset in the form of an image store, with `image` (time, channel, y, x) and its truth.
    Crystals: electrons, and per column within the image (dimension `truth_site`) its position
    `truth_y`, `truth_x` (px), where it is seen, drift included; `truth_angle` (rad), `truth_phase`,
    `truth_species`, what else the system knows (strain: see `vaescope.deformation`), and
    `truth_bound` (px), the Cramér–Rao bound of the standard deviation of each of its coordinates
    from the counts alone. What the
    values of a truth mean is in the attribute `truth_NAME_names`. Movies: the same of every frame,
    told apart by `truth_frame`; an atom has the same `truth_track` in all. Cards: per frame
    `truth_label`, `truth_angle`, `truth_shear` (rad), `truth_known_label` and `truth_held_out`.
    Pairs: the picture to be made as well, `truth_clean` or `truth_colour`. Spectrum images:
    `spectra` (time, spectrum_y, spectrum_x, energy), the same without noise `truth_spectrum`, and
    what is true of each spectrum (time, spectrum_y, spectrum_x); `energy` has a name and a unit,
    and the attributes `pitch_y`, `pitch_x`, `start_y`, `start_x` (px) say where in the image the
    spectra lie. Ferroelectric domains: the channels `in-phase`, `out-of-phase` and `height`; points
    of walls every 0.1 px or less (dimension `truth_site`): `truth_y`, `truth_x` (px),
    `truth_frame`, `truth_wall`, `truth_direction` (rad), `truth_curvature` (1/px) and
    `truth_apart`, see `simulate.level_sets.TrueWalls`; `truth_response` and `truth_domain`
    (time, y, x); `truth_drift_y`, `truth_drift_x` (px) of each frame against the first; where they
    switch also what `simulate.switching.switching` says. A lattice of polarisation: the channels
    `polarisation x` and `polarisation y`; `truth_polarisation_x`, `truth_polarisation_y` and
    `truth_curl` (time, y, x) without noise, `truth_defect` (time, y, x), and of each frame
    `truth_field_x`, `truth_field_y` in units of Ec and the parts of the energy, `truth_energy_…`.

    Raises
    ------
    UserError : unknown name or parameter, a value out of range, or far too many columns.
    """
    system, parameters = parse(name)
    return _systems()[system].make(name, parameters, seed)


def parse(name: str) -> tuple[str, Any]:
    """Split `NAME?parameter=value&…` into the name of a system and its parameters.

    Raises
    ------
    UserError : unknown name or parameter, or a value out of range.
    """
    known = {key: system.parameters for key, system in _systems().items()}
    return arguments.parse(name, known)


def _systems() -> dict[
    str, System | StackSystem | SpectrumSystem | PiezoSystem | PolarisationSystem
]:
    return {**SYSTEMS, **STACKS, **SPECTRA, **PIEZO, **LATTICES}
