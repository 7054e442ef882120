"""Kinds of sites: how they are found, by which settings, with which traits, and in words.

A new kind is a finder in a module of its own and a row of ``KINDS``. Nothing here imports what
finds sites before sites are to be found: a workflow is planned from these rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, make_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_type_hints

from vaescope import traits
from vaescope.errors import UserError
from vaescope.settings import Settings, setting
from vaescope.sites.learned.settings import DetectorSettings
from vaescope.traits import Traits

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.sites.learned.detector import Detector

STEP = 0.4  # of the spacing: farther than this no atom is followed from frame to frame
GAP = 2  # frames in which an atom may be missed

Finder = Callable[["xr.Dataset", Any, int, "Detector | None"], "xr.Dataset"]
"""Of image, settings, threads and detector: sites, in the form of ``sites.table.tabulate``."""


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
    ``[@key]`` with the keys of ``report.references``. ``needs_detector`` : ``find`` takes a trained
    detector.
    """

    find: Finder
    settings: type[Any]
    traits: Traits
    plan: Callable[[Any], str]
    methods: Callable[[Any, Numbers], str]
    needs_detector: bool = False


class OfSites(Settings):
    """Settings of the part `sites` of a recipe."""

    PART: ClassVar[str] = "sites"


@dataclass(frozen=True)
class Atoms(OfSites):
    """Settings of `sites` with `method: log`, `maxima` or `model`: atoms."""

    method: Literal["log", "maxima", "model"] = setting(
        "log",
        help="how atoms are found: `log` (Laplacian of Gaussian), `maxima` (local maxima of the"
        " smoothed image) or `model` (a detector trained on simulated images)",
    )
    spacing: float | None = setting(
        None,
        limits=(2, 1e4),
        unit="px",
        help="distance of nearest sites; by default estimated from the image, and of an image"
        " without order four widths",
    )
    width: float | None = setting(
        None,
        limits=(0.5, 1e3),
        unit="px",
        help="standard deviation of the image of a site; by default estimated",
    )
    polarity: Literal["bright", "dark"] = setting(
        "bright", help="whether sites are brighter or darker than what lies between them"
    )
    threshold: float | None = setting(
        None,
        limits=(0, 1),
        help="share of a strong site's score from which on a maximum is a site, by default chosen"
        " from the image; with `model`, the probability of a site (a half)",
    )
    refine: bool = setting(
        True, help="fit two-dimensional Gaussians, neighbours included, for the positions"
    )
    channel: str | int | None = setting(
        None, help="name or number (from 0) of the channel in which sites are sought; the first"
    )
    track: bool | None = setting(
        None,
        help="follow atoms from frame to frame; by default where there are several frames. Drift of"
        " the whole frame is taken out first. `track` and `track_length` become columns of the"
        " sites",
    )
    track_step: float = setting(
        STEP,
        limits=(0.01, 10),
        unit="spacings",
        help="largest step of an atom from one frame to the next, drift taken out",
    )
    track_gap: int = setting(
        GAP,
        limits=(0, 100),
        unit="frames",
        help="how many frames may miss an atom that is recognised again",
    )
    detector: DetectorSettings | None = setting(
        None, help="what the detector of `model` is trained on, and how"
    )


@dataclass(frozen=True)
class Windows(OfSites):
    """Settings of `sites` with `method: windows`: windows wherever the atoms may be."""

    method: Literal["windows"] = setting("windows", help="windows, wherever the atoms may be")
    window: float | None = setting(
        None,
        limits=(3, 1e5),
        unit="px",
        help="side of a window, and of its patch; by default 3.2 spacings of a periodic image, a"
        " twelfth of the shorter side of another",
    )
    stride: float | None = setting(
        None,
        limits=(1, 1e4),
        unit="px",
        help="distance between windows; by default a quarter of a window, more where there would be"
        " too many of them",
    )
    count: int | None = setting(
        None,
        limits=(1, 10**6),
        help="windows at random places of each frame, instead of a grid",
    )


@dataclass(frozen=True)
class Frames(OfSites):
    """Settings of `sites` with `method: frames`: every frame of a stack is a patch."""

    method: Literal["frames"] = setting("frames", help="every frame of a stack is a patch")


def _atoms(
    image: xr.Dataset, settings: Atoms, threads: int, detector: Detector | None
) -> xr.Dataset:
    from vaescope.sites.atoms import every_atom

    return every_atom(image, settings, threads)


def _learned(
    image: xr.Dataset, settings: Atoms, threads: int, detector: Detector | None
) -> xr.Dataset:
    from vaescope.sites.atoms import every_atom

    if detector is None:
        raise UserError(
            "the method `model` needs a trained detector",
            remedy="Train one (`sites.learned.train`) or load one (`sites.learned.load`), and give "
            "it as `detector`",
        )
    return every_atom(image, settings, threads, detector)


def _windows(
    image: xr.Dataset, settings: Windows, threads: int, detector: Detector | None
) -> xr.Dataset:
    from vaescope.sites.windows import everywhere

    return everywhere(image, settings)


def _frames(
    image: xr.Dataset, settings: Frames, threads: int, detector: Detector | None
) -> xr.Dataset:
    from vaescope.sites.frames import every_frame

    return every_frame(image)


def _plan_of_atoms(settings: Atoms) -> str:
    how = {
        "maxima": "local maxima",
        "log": "blobs of a Laplacian of Gaussian",
        "model": "peaks in the map of a learned detector",
    }[settings.method]
    text = f"{settings.polarity.capitalize()} sites are found as {how}; their spacing is " + (
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
    if settings.detector:
        systems = ", ".join(map(str, settings.detector.simulate))
        text += (
            f". The detector has learned from simulated images ({systems}); scores are"
            f" probabilities, the mean of its {settings.detector.members} members"
        )
    return text + "."


def _methods_of_atoms(settings: Atoms, numbers: Numbers) -> str:
    detector = settings.detector or DetectorSettings()
    how = {
        "log": "as extrema of the Laplacian of Gaussian at the scale of the lattice",
        "maxima": "as local extrema of the smoothed image",
        "model": f"by an ensemble of {detector.members} U-Nets [@ronneberger2015] trained"
        f" on simulated images ({', '.join(detector.simulate)}) of randomised dose,"
        " blur, background and distortion [@tobin2017]",
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
    return "Every frame of the stack is a patch by itself."


def _methods_of_frames(settings: Frames, numbers: Numbers) -> str:
    return ""


KINDS: dict[str, Kind] = {
    "log": Kind(_atoms, Atoms, traits.ATOMS, _plan_of_atoms, _methods_of_atoms),
    "maxima": Kind(_atoms, Atoms, traits.ATOMS, _plan_of_atoms, _methods_of_atoms),
    "model": Kind(_learned, Atoms, traits.ATOMS, _plan_of_atoms, _methods_of_atoms, True),
    "windows": Kind(_windows, Windows, traits.WINDOWS, _plan_of_windows, _methods_of_windows),
    "frames": Kind(_frames, Frames, traits.FRAMES, _plan_of_frames, _methods_of_frames),
}
"""Every kind of site by its name, the `method` of a recipe's part `sites`."""


def all_settings() -> type[Settings]:
    """The class of what the part ``sites`` of a recipe may say: the settings of all kinds, and
    their names for ``method``."""
    found: dict[str, tuple[str, Any, Any]] = {}
    for kind in KINDS.values():
        hints = get_type_hints(kind.settings)
        for each in fields(kind.settings):
            again: Any = field(
                default=each.default, default_factory=each.default_factory, metadata=each.metadata
            )
            found.setdefault(each.name, (each.name, hints[each.name], again))
    found["method"] = ("method", Literal[tuple(KINDS)], found["method"][2])
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
