"""Kinds of sites: the function that finds them, its settings, their traits and their prose.

A new kind is a finder in a module of its own and a row of ``KINDS``. Nothing here imports what
computes sites before it is needed: a workflow is planned from these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from vaescope import traits
from vaescope.errors import UserError
from vaescope.learned.settings import OF_WALLS, DetectorSettings
from vaescope.settings import Settings, setting
from vaescope.sites.settings import Atoms, Frames, OfSites, SpectrumPixels, Walls, Windows
from vaescope.traits import Traits

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.sites.learned.detector import Detector
    from vaescope.walls.learned.wall_detector import WallDetector


@dataclass(frozen=True)
class Means:
    """What a finder may need beside the image: ``threads`` to work with, a trained ``detector``,
    and the ``spectra`` (time, y, x, energy) recorded with the image."""

    threads: int = 1
    detector: Detector | WallDetector | None = None
    spectra: xr.Dataset | None = None


Finder = Callable[["xr.Dataset", Any, Means], "xr.Dataset"]
"""Finds sites, from image, settings and means, as ``sites.table.tabulate`` gives."""


@dataclass(frozen=True)
class Numbers:
    """Numbers of a finished dataset, in words, for the methods section of a paper."""

    sites: str
    patches: str
    spacing: str
    error: str  # median standard error of a coordinate
    tracks: str = ""  # empty where nothing was followed


@dataclass(frozen=True)
class Kind:
    """A kind of site.

    ``find`` : finds the sites of an image. ``settings`` : data class of what a recipe may say of
    them. ``traits`` : what they are; an attribute of that name which ``find`` gives wins.
    ``plan(settings)`` : what a recipe asks for, in a sentence. ``methods(settings, numbers)`` :
    what was done, in sentences for a paper, empty if the patches say all; works are cited as
    ``[@key]`` with the keys of ``report.references``. ``detector(settings)`` : what the detector is
    trained on that ``find`` takes, None where it takes none.
    """

    find: Finder
    settings: type[Any]
    traits: Traits
    plan: Callable[[Any], str]
    methods: Callable[[Any, Numbers], str]
    detector: Callable[[Any], DetectorSettings | None] = lambda settings: None


def _atoms(image: xr.Dataset, settings: Atoms, means: Means) -> xr.Dataset:
    from vaescope.sites.atoms import every_atom

    return every_atom(image, settings, means.threads)


def _learned(image: xr.Dataset, settings: Atoms, means: Means) -> xr.Dataset:
    from vaescope.sites import detectors
    from vaescope.sites.atoms import every_atom
    from vaescope.sites.learned.detector import Detector

    trained = _detector_of_atoms(settings)
    detector = detectors.needed(means.detector, Detector, trained, "the method `model`")
    found = every_atom(image, settings, means.threads, detector)
    return found.assign_attrs(detectors.attributes(detector))


def _either(image: xr.Dataset, settings: Atoms, means: Means) -> xr.Dataset:
    from vaescope.sites import detectors
    from vaescope.sites.either import atoms_by_either
    from vaescope.sites.learned.detector import Detector

    trained = _detector_of_atoms(settings)
    detector = detectors.needed(means.detector, Detector, trained, "the method `auto`")
    found = atoms_by_either(image, settings, means.threads, detector)
    if found.attrs["method"] != "model":
        return found
    return found.assign_attrs(detectors.attributes(detector))


def _windows(image: xr.Dataset, settings: Windows, means: Means) -> xr.Dataset:
    from vaescope.sites.windows import everywhere

    return everywhere(image, settings)


def _frames(image: xr.Dataset, settings: Frames, means: Means) -> xr.Dataset:
    from vaescope.sites.frames import every_frame

    return every_frame(image)


def _pixels(image: xr.Dataset, settings: SpectrumPixels, means: Means) -> xr.Dataset:
    from vaescope.sites.frames import every_frame
    from vaescope.sites.pixels import every_pixel, one_of_each_frame

    if means.spectra is None:
        raise UserError(
            "sites are the pixels of a spectrum image, but this dataset has no spectra",
            found="sites: method: pixels without spectra",
            remedy="Set `spectra: read: true` in the recipe, or another `sites: method`",
        )
    if one_of_each_frame(image, means.spectra):
        return every_frame(image).assign_attrs({**traits.FRAMES.attributes(), "method": "frames"})
    return every_pixel(image, means.spectra, settings)


def _walls(image: xr.Dataset, settings: Walls, means: Means) -> xr.Dataset:
    from vaescope.sites.walls import every_wall

    if settings.finder != "learned":
        return every_wall(image, settings)
    from vaescope.sites import detectors
    from vaescope.walls.learned.wall_detector import WallDetector

    trained = _detector_of_walls(settings)
    detector = detectors.needed(means.detector, WallDetector, trained, "the finder `learned`")
    found = every_wall(image, settings, detector)
    return found.assign_attrs(detectors.attributes(detector))


def _detector_of_atoms(settings: Atoms) -> DetectorSettings:
    chosen = settings.detector or DetectorSettings()
    if chosen.of_walls:
        raise _wrong_simulations(chosen, "atoms", "crystals, such as `[perovskite]`")
    return chosen


def _detector_of_walls(settings: Walls) -> DetectorSettings | None:
    if settings.finder != "learned":
        return None
    chosen = settings.detector or OF_WALLS
    if not chosen.of_walls:
        raise _wrong_simulations(chosen, "domain walls", "`[walls]`")
    return chosen


def _wrong_simulations(settings: DetectorSettings, sought: str, expected: str) -> UserError:
    return UserError(
        f"the detector of {sought} is trained on something else",
        found="detector: simulate: " + ", ".join(settings.simulate),
        expected=expected,
        remedy="Set `sites: detector: simulate` in the recipe",
    )


def _plan_of_atoms(settings: Atoms) -> str:
    how = {
        "maxima": "local maxima",
        "log": "blobs of a Laplacian of Gaussian, or without order of a prewhitened matched filter"
        " where that finds more",
        "model": "peaks in the map of a learned detector",
        "auto": "blobs of a Laplacian of Gaussian, or as peaks in the map of a learned detector"
        " where that adds many that are credible",
    }[settings.method]
    which = {
        "auto": "Bright or dark sites, whichever are the sharper,",
        "bright": "Bright sites",
        "dark": "Dark sites",
    }
    text = f"{which[settings.polarity]} are found as {how}; their spacing is " + (
        f"given as {settings.spacing} px" if settings.spacing else "estimated from the image itself"
    )
    if settings.refine:
        text += ", and their positions are refined by fitting Gaussians, neighbours included"
    if settings.track:
        text += (
            ". Atoms are followed from frame to frame over at most"
            f" {settings.track_step:g} spacings, drift taken out, and known again after up to"
            f" {settings.track_gap} frames that miss them"
        )
    if settings.detector and settings.method != "log":
        systems = ", ".join(map(str, settings.detector.simulate))
        text += (
            f". The detector has learned from simulated images ({systems}); scores are"
            f" probabilities, the mean of its {settings.detector.members} members"
        )
    return text + "."


def _methods_of_atoms(settings: Atoms, numbers: Numbers) -> str:
    detector = settings.detector or DetectorSettings()
    filtered = (
        "as extrema of the Laplacian of Gaussian at the scale of the lattice (without order, of a"
        " matched filter prewhitened by the spectrum of the image where that finds more)"
    )
    learned = (
        f"by an ensemble of {detector.members} U-Nets [@ronneberger2015] trained"
        f" on simulated images ({', '.join(detector.simulate)}) of randomised dose,"
        " blur, background and distortion [@tobin2017]"
    )
    how = {
        "log": filtered,
        "maxima": "as local extrema of the smoothed image",
        "model": learned,
        "auto": f"{filtered}, or {learned}",
    }[settings.method]
    given = "given" if settings.spacing else "estimated from the image"
    text = f"Sites were found {how}; their spacing, {given}, is {numbers.spacing}."
    if settings.refine:
        text += (
            " Positions were refined by least-squares fits of two-dimensional Gaussians,"
            " neighbouring sites included, with standard errors from the Fisher information"
            f" [@dendekker2005] (median {numbers.error} per coordinate)."
        )
    text += (
        f" Of {numbers.sites} sites, {numbers.patches} lie far enough from the edge for a patch."
    )
    if settings.track:
        tracks = f" ({numbers.tracks} tracks)" if numbers.tracks else ""
        text += (
            " Sites were followed from frame to frame by linear assignment"
            f" [@jaqaman2008; @fukai2023] after drift was taken out{tracks}."
        )
    return text


def _plan_of_windows(settings: Windows) -> str:
    if settings.count:
        where = f"at {settings.count} random places of every frame"
    elif settings.stride:
        where = f"on a grid with {settings.stride} px between them"
    else:
        where = "on a grid with a quarter of their side between them"
    return f"No atoms are looked for: windows lie {where}."


def _methods_of_windows(settings: Windows, numbers: Numbers) -> str:
    where = "at random places" if settings.count else "on a regular grid"
    return f"No atoms were looked for: {numbers.sites} windows were laid {where} over the image."


def _plan_of_frames(settings: Frames) -> str:
    return "Every frame of the stack is a site by itself."


def _methods_of_frames(settings: Frames, numbers: Numbers) -> str:
    return ""


def _plan_of_pixels(settings: SpectrumPixels) -> str:
    if settings.bin == 1:
        return "Every pixel of the spectrum image is a site."
    return f"Every block of {settings.bin} × {settings.bin} pixels of the spectrum image is a site."


def _methods_of_pixels(settings: SpectrumPixels, numbers: Numbers) -> str:
    what = "pixel" if settings.bin == 1 else f"block of {settings.bin} × {settings.bin} pixels"
    return f"Every {what} of the spectrum image is a site ({numbers.sites} sites)."


def _plan_of_walls(settings: Walls) -> str:
    how = {
        "zero": "as the zero line of the smoothed in-phase signal",
        "canny": "as edges of the smoothed phase",
        "learned": "by a detector trained on simulated domains",
    }[settings.finder]
    text = (
        f"Domain walls are found {how}, and the profile across them, their own width convolved with"
        " the tip, is fitted: position, width and curvature have standard errors"
    )
    if settings.places == "grid":
        return text + ". Sites are windows on a grid, described by the walls and domains in them."
    apart = f"{settings.spacing:g} px" if settings.spacing else "4 px, or more of very long walls,"
    return text + f". Sites lie along the walls at equal arc length, {apart} apart."


def _methods_of_walls(settings: Walls, numbers: Numbers) -> str:
    detector = settings.detector or OF_WALLS
    how = {
        "zero": "as zero lines of the smoothed in-phase signal",
        "canny": "as edges of the smoothed phase [@canny1986]",
        "learned": f"by an ensemble of {detector.members} U-Nets [@ronneberger2015] trained on"
        " simulated domains of randomised tip, noise, drift and crosstalk [@tobin2017]",
    }[settings.finder]
    text = (
        f"Domain walls were found {how}, and refined by fits of the profile across them, a"
        " hyperbolic tangent convolved with the tip [@morozovska2008]"
    )
    if settings.places == "grid":
        return text + f". Walls and domains were described in {numbers.sites} windows on a grid."
    return text + (
        f"; the median standard error of a coordinate is {numbers.error}. Sites were laid along"
        f" them at equal arc length ({numbers.spacing}). Of {numbers.sites} sites,"
        f" {numbers.patches} lie far enough from the edge for a patch."
    )


KINDS: dict[str, Kind] = {
    "log": Kind(_atoms, Atoms, traits.ATOMS, _plan_of_atoms, _methods_of_atoms),
    "maxima": Kind(_atoms, Atoms, traits.ATOMS, _plan_of_atoms, _methods_of_atoms),
    "model": Kind(
        _learned, Atoms, traits.ATOMS, _plan_of_atoms, _methods_of_atoms, _detector_of_atoms
    ),
    "auto": Kind(
        _either, Atoms, traits.ATOMS, _plan_of_atoms, _methods_of_atoms, _detector_of_atoms
    ),
    "windows": Kind(_windows, Windows, traits.WINDOWS, _plan_of_windows, _methods_of_windows),
    "frames": Kind(_frames, Frames, traits.FRAMES, _plan_of_frames, _methods_of_frames),
    "pixels": Kind(_pixels, SpectrumPixels, traits.PIXELS, _plan_of_pixels, _methods_of_pixels),
    "walls": Kind(
        _walls, Walls, traits.WALLS, _plan_of_walls, _methods_of_walls, _detector_of_walls
    ),
}
"""Every kind of site by its name, the `method` of a recipe's part `sites`."""


def all_settings() -> type[Settings]:
    """Make the class of all settings that the part ``sites`` of a recipe accepts, of all kinds, and
    their names for ``method``."""
    found: dict[str, tuple[str, Any, Any]] = {}
    for kind in KINDS.values():
        hints = get_type_hints(kind.settings)
        for each in fields(kind.settings):
            again: Any = field(
                default=each.default, default_factory=each.default_factory, metadata=each.metadata
            )
            found.setdefault(each.name, (each.name, hints[each.name], again))
    said = setting(
        found["method"][2].default, help="how sites are found; explained below the table"
    )
    found["method"] = ("method", Literal[tuple(KINDS)], said)
    return make_dataclass("Sites", found.values(), bases=(OfSites,), frozen=True)


def kind_of(given: Mapping[str, Any] | Settings | None, *, file: object = None) -> tuple[Kind, Any]:
    """The kind of site that the part ``sites`` of a recipe asks for, and its settings.

    Settings of other kinds are checked and passed over.

    Raises
    ------
    UserError : unknown method or setting, or one out of range; what is no atom cannot be followed.
    """
    if isinstance(given, Settings):
        given = given.as_dict()
    checked: Any = all_settings().of(given, file=file)
    kind = KINDS[checked.method]
    own = {each.name: getattr(checked, each.name) for each in fields(kind.settings)}
    if not kind.traits.atoms and checked.track:
        raise UserError(
            "nothing can be followed from frame to frame",
            file=file,
            found="these sites are no atoms",
            expected="atoms in several frames",
            remedy="Set `sites: track: null` in the recipe: atoms are followed where they can be",
        )
    return kind, kind.settings(**own)
