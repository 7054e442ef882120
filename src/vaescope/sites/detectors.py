"""The trained detector that a kind of site needs, and what the sites say of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from vaescope.errors import UserError

if TYPE_CHECKING:
    from vaescope.learned.settings import DetectorSettings
    from vaescope.sites.learned.detector import Detector
    from vaescope.walls.learned.wall_detector import WallDetector

D = TypeVar("D", "Detector", "WallDetector")


def needed(given: object, kind: type[D], settings: DetectorSettings | None, finder: str) -> D:
    """The detector that was given, or else the bundled one of these settings.

    Parameters
    ----------
    given : a trained detector, or None.
    kind : of the detector that is needed.
    settings : of a detector of this kind; None: there are none.
    finder : what needs it, in words.

    Raises
    ------
    UserError : it is of another kind, or there is none and none of these settings comes with the
        package.
    """
    from vaescope.sites import learned

    if given is None and settings is not None:
        given = learned.bundled(settings)
    if isinstance(given, kind):
        return given
    raise UserError(
        f"{finder} needs a trained detector",
        found="none" if given is None else "one that was trained for something else",
        remedy="Train one (`sites.learned.train`) or load one (`sites.learned.load`), and give it"
        " as `detector`",
    )


def attributes(detector: Detector | WallDetector) -> dict[str, Any]:
    """What a sites store says of the detector that found its sites: its digest, the simulations and
    the day on which it was trained, whether it came with the package, and how well it does on
    simulated images that it has not seen."""
    facts = detector.facts
    return {
        "detector": detector.settings.digest(),
        "detector_simulations": ", ".join(detector.settings.simulate),
        "detector_trained": str(facts.get("trained", "")),
        "detector_bundled": bool(facts.get("bundled", False)),
        "detector_f1": float(facts["f1"]),
        "detector_precision": float(facts["precision"]),
        "detector_recall": float(facts["recall"]),
    }


def words(attrs: Mapping[str, Any]) -> str:
    """The detector that found the sites, in a clause; empty where none did.

    Parameters
    ----------
    attrs : of a sites store.
    """
    if not attrs.get("detector"):
        return ""
    origin = "that comes with vaescope, " if attrs.get("detector_bundled") else ""
    when = f" on {attrs['detector_trained']}" if attrs.get("detector_trained") else ""
    return (
        f"the detector {origin}trained{when} on simulations"
        f" ({attrs['detector_simulations']}); on simulated images that it had not seen, its"
        f" precision was {attrs['detector_precision']:.3f} and its recall"
        f" {attrs['detector_recall']:.3f}"
    )
