"""What a dataset says of its domain walls: how much there is, how well it is known, what moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import circular
from vaescope.results.facts import Finding, Measure, Severity
from vaescope.traits import traits_of

if TYPE_CHECKING:
    import xarray as xr

MEASURES = (
    Measure("walls", "domain walls", "count", place="quality", card=3),
    Measure("wall_length_px", "length of all walls", "px", place="quality"),
    Measure("wall_density", "density of walls (1/µm)", place="quality"),
    Measure("wall_density_px", "density of walls (1/px)", place="quality"),
    Measure("normal_error_px", "standard error across walls (median)", "px", "less", "quality"),
    Measure("walls_moved_share", "walls that moved (beyond 3 errors)", "share", place="quality"),
    Measure("walls_pinned_share", "walls that are pinned", "share", place="quality"),
    Measure("switching_share", "windows that switched (beyond 3 errors)", "share", place="quality"),
)
"""Of domain walls."""

_Say = Callable[[str, Severity, str, str, str], None]

_PINNED = 0.5  # probability
_SURE = 3.0  # standard errors
_LEAKED, _ALIKE = 0.02, 1.0  # of the response of the domains: topography that is worth saying
_FEW = 8.0  # windows long: less wall than that shows too little to learn from
_LEVEL = np.radians(2.0)  # of a scan line, within which a wall runs along it
_ALONG = 0.8  # of a wall that runs along a scan line
_SITES = 5  # of such a wall, at least
_NUISANCE = {"contrast": 0.3, "normal_error": 0.5, "window_measured": 0.1}
"""What latents should not follow, and by how much of its median it must vary from the first to the
last tenth of the sites."""
_FOLLOWS = 0.7  # rank correlation beyond which a latent follows it
_SITES_OF_LATENTS = 50
_TURNED = 20.0  # degrees
_TO_MICRON = {"nm": 1e-3, "µm": 1.0, "um": 1.0, "Å": 1e-4, "A": 1e-4, "mm": 1e3, "pm": 1e-6}


def numbers(sites: xr.Dataset) -> dict[str, float]:
    """Count and measure walls and what became of them; nothing of other sites (``sites.zarr``)."""
    attrs = sites.attrs
    if "walls" not in attrs:
        return {}
    length = float(attrs["wall_length_px"])
    found = {"walls": float(attrs["walls"]), "wall_length_px": float(round(length))}
    if "wall" in sites and "drift" in sites:
        found["walls"] = float(len(np.unique(sites["wall"].values)))
    area = float(attrs.get("measured_px", 0))
    size = float(attrs.get("pixel_size") or 1) * _TO_MICRON.get(str(attrs.get("pixel_unit")), 0)
    if area and attrs.get("calibrated") and size:
        found["wall_density"] = length / area / size
    elif area:
        found["wall_density_px"] = length / area
    if "normal_error" in sites:
        found["normal_error_px"] = _median(sites["normal_error"].values)
    for name, column, over in (
        ("walls_moved_share", "displacement", "displacement_error"),
        ("switching_share", "switching_change", "switching_change_error"),
    ):
        if column in sites:
            ratio = np.abs(sites[column].values / sites[over].values)
            found[name] = _share(ratio[np.isfinite(ratio)] > _SURE)
    if "pinned" in sites:
        pinned = sites["pinned"].values
        found["walls_pinned_share"] = _share(pinned[np.isfinite(pinned)] > _PINNED)
    return found


def of_walls(sites: xr.Dataset) -> list[Finding]:
    """Findings about domain walls; none about other sites (``sites.zarr``)."""
    attrs, said = sites.attrs, []
    if "walls" not in attrs:
        return []

    def say(kind: str, severity: Severity, says: str, means: str, remedy: str) -> None:
        said.append(Finding(kind, severity, "sites", says, means, remedy))

    _of_topography(attrs, say)
    length, window = float(attrs["wall_length_px"]), float(attrs["window"])
    if not attrs["walls"]:
        say(
            "no walls",
            "serious",
            "No domain walls were found.",
            "The in-phase signal shows a single domain, or nothing that stands out of its noise.",
            "Check drive amplitude and contact resonance. If there are domains to be seen, smooth"
            " more (`sites: smoothing`), or use the recipe `walls-learned`.",
        )
        return said
    if length < _FEW * window:
        say(
            "few walls",
            "care",
            f"There are only {length:.0f} px of wall, {length / window:.1f} windows of"
            f" {window:g} px.",
            "Sites along them show the same few places over and over; latents describe these"
            " places, not the walls of the material.",
            "Take a larger scan or more frames, or smaller windows (`sites: window`).",
        )
    _of_drift(sites, say)
    _of_artefacts(sites, say)
    return said


def _of_topography(attrs: Mapping[str, Any], say: _Say) -> None:
    """Whether topography leaked into the response."""
    shares = np.atleast_1d(np.asarray(attrs.get("topography", 0.0), float))
    most = float(shares.max(initial=0.0))
    if most > _LEAKED:
        amount = f"{most:.0%} of" if most < _ALIKE else "as much as, or more than,"
        say(
            "crosstalk of the topography",
            "care",
            f"The topography adds {amount} the response of the domains (rms, frame"
            f" {int(shares.argmax())} counted from 0).",
            "It was taken out before walls were sought; the patches on which models are trained"
            " still contain it, so that a latent may follow the height.",
            "Compare with the image of the other scan direction, in which crosstalk of slopes"
            " changes its sign; tune the contact resonance or scan more slowly.",
        )


def _of_drift(sites: xr.Dataset, say: _Say) -> None:
    """Whether frames could be registered well enough for the displacements of walls."""
    if "drift" not in sites:
        return
    sources = [str(name) for name in np.atleast_1d(sites["drift"].attrs.get("sources", []))]
    lost = [k + 1 for k, name in enumerate(sources) if name == "none"]
    if lost:
        frames = ", ".join(map(str, lost[:10])) + (", …" if len(lost) > 10 else "")
        say(
            "frames not registered",
            "serious",
            f"The drift before frame {frames} (counted from 0) could not be measured.",
            "Displacements of walls there hold the drift of the specimen as well; their errors say"
            " so.",
            "Record the height beside the piezoresponse, or register the frames beforehand.",
        )
    error = sites["drift_error"].values
    usual = float(np.nanmedian(np.abs(error[1:]))) if len(error) > 1 else 0.0
    across = _median(sites["normal_error"].values) if "normal_error" in sites else np.nan
    if not lost and usual > 2 * across:
        say(
            "drift unsure",
            "care",
            f"The drift between frames is known to {usual:.2g} px, worse than the walls"
            f" ({across:.2g} px).",
            "Displacements smaller than that are not seen: walls may move together with the error"
            " of the drift.",
            "Record the height with more detail, or scan a larger area around the walls.",
        )


def _of_artefacts(sites: xr.Dataset, say: _Say) -> None:
    """Whether walls run along scan lines, as jumps of the tip do."""
    if "direction" not in sites:
        return
    level = np.abs(np.sin(sites["direction"].values)) < np.sin(_LEVEL)
    wall = sites["wall"].values * (int(sites["frame"].max()) + 1) + sites["frame"].values
    _, own = np.unique(wall, return_inverse=True)
    count, along = np.bincount(own), np.bincount(own, level)
    straight = (count >= _SITES) & (along >= _ALONG * count)
    if straight.any():
        say(
            "walls along scan lines",
            "care",
            f"{int(straight.sum())} of {len(count)} walls run along scan lines.",
            "A jump of the tip, a changed contact or drive between two lines looks just like such"
            " a wall; so does a domain of that direction.",
            "Compare with the image of the other scan direction, or with one that is scanned at"
            " another angle.",
        )


def of_wall_latents(model: str, latents: xr.Dataset) -> list[Finding]:
    """Whether latents of walls follow how well these are measured (``latents.zarr``): the contrast,
    the error across the wall, the share of the window that was measured. Only what varies by much
    counts, and rank correlations beyond 0.7."""
    if not traits_of(latents.attrs).directed or "consensus_content" not in latents:
        return []
    from scipy.stats import spearmanr

    said = _of_angles(model, latents)
    content = latents["consensus_content"].values
    for name, least in _NUISANCE.items():
        if name not in latents.variables:
            continue
        values = np.abs(np.asarray(latents[name].values, float))
        known = np.isfinite(values) & np.isfinite(content).all(1)
        if known.sum() < _SITES_OF_LATENTS:
            continue
        low, middle, high = np.quantile(values[known], [0.1, 0.5, 0.9])
        if not middle > 0 or (high - low) / middle < least:
            continue
        each = [float(spearmanr(column[known], values[known])[0]) for column in content.T]
        strong = int(np.argmax(np.abs(each)))
        if abs(each[strong]) > _FOLLOWS:
            words = str(latents[name].attrs.get("long_name", name))
            said.append(
                Finding(
                    "follows the measurement",
                    "care",
                    model,
                    f"Latent {strong + 1} follows the {words} (rank correlation"
                    f" {each[strong]:.2f}).",
                    "It may say how well walls are measured, not what they are like.",
                    "Compare with sites of equal contrast; normalise each patch by itself"
                    " (`patches: normalise: patch`), or record with less noise.",
                )
            )
    return said


def _of_angles(model: str, latents: xr.Dataset) -> list[Finding]:
    """Whether the angles of a model are those of the walls."""
    if "consensus_angle" not in latents or "direction" not in latents.variables:
        return []
    period = 2 * np.pi / max(int(latents.attrs.get("symmetry", 1)), 1)
    apart = circular.wrap(latents["consensus_angle"].values + latents["direction"].values, period)
    usual = np.degrees(_median(np.abs(apart)))
    if not usual > _TURNED:
        return []
    return [
        Finding(
            "angles are not those of walls",
            "care",
            model,
            f"The angle differs from the direction of the wall by {usual:.0f}° (median).",
            "Patches show more than one wall, or walls bend within them: the angle is that of the"
            " whole patch, and latents hold part of the direction.",
            "Take smaller windows (`sites: window`), or a narrower prior of the angle"
            " (`angle_prior: direction` with a smaller `angle_sd`).",
        )
    ]


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else float("nan")


def _share(mask: np.ndarray) -> float:
    return float(mask.mean()) if len(mask) else float("nan")
