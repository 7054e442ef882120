"""Quantities of predictions beside those of what was measured or is known, site by site."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vaescope import circular
from vaescope.figures.montage import pictures_of
from vaescope.figures.scene import Scene
from vaescope.figures.spectra import of_view, true_spectra
from vaescope.figures.windows import choose, has_peaks, in_blocks, peaks
from vaescope.results import ModelResults
from vaescope.text import plain

_MOST_READ = 5000  # sites of which patches are measured
_PARTICLE = "particle"
_ANGLE = "angle from the spectrum"
AXIS = 180.0  # degrees: light that is scattered by an axis says no more
SURE = 30.0  # degrees of the stated error, beyond which there is no angle to compare
_BRIGHT = 0.5  # of the height of a particle above its background, where it ends
_LEVELS = 25  # values of a known number; fewer are kinds
_FEW = 4  # particles, or values of what is known of them
_READ_OUT = 3  # known numbers that are read out of the latents


@dataclass
class PredictedQuantity:
    """``expected`` and ``found`` (site,) of one quantity; ``period`` of what repeats."""

    name: str
    unit: str
    source: str  # of what is expected: measured or true
    expected: np.ndarray
    found: np.ndarray
    period: float | None = None

    @property
    def label(self) -> str:
        """The quantity with its unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


def quantities(
    scene: Scene, view: ModelResults, owner: np.ndarray | None
) -> list[PredictedQuantity]:
    """List what can be compared: of spectra, angles and patches, and known numbers read from the
    latents; means over the sites of each particle where sites have an ``owner`` (site,)."""
    found = [
        *_of_spectra(scene, view, owner),
        *_of_angle(view, owner),
        *_of_patches(scene, view),
        *_of_truth(view, owner),
    ]
    return found if owner is None else [_averaged(one, owner) for one in found]


def _of_spectra(
    scene: Scene, view: ModelResults, owner: np.ndarray | None
) -> list[PredictedQuantity]:
    """Position of the highest peak, where spectra have one, and signal where they differ most."""
    if not view.has("predicted_spectrum") or "spectrum" not in scene.patches.variables:
        return []
    spectra = of_view(scene, view)
    said = view.latents["predicted_spectrum"].transpose("site", "energy").isel(site=view.on_frame)
    energy = np.asarray(spectra["energy"].values, float)
    about = spectra["energy"].attrs
    unit = str(about.get("units", "1"))
    unit = "" if unit == "1" else unit
    truth = true_spectra(view, said)
    expected, source = (spectra, "measured") if truth is None else (truth, "true")
    found = []
    place, other = (in_blocks(some, lambda one: peaks(one, energy)) for some in (expected, said))
    if has_peaks(place if owner is None else place[owner >= 0], energy):
        name = f"peak ({about.get('long_name', 'channel')})" if not unit else "peak position"
        found.append(PredictedQuantity(name, unit, source, place, other))
    for window in choose(spectra, 2):
        pair = window.of(expected), window.of(said)
        found.append(PredictedQuantity(f"signal at {window.words}", "", source, *pair))
    return found


def _of_angle(view: ModelResults, owner: np.ndarray | None) -> list[PredictedQuantity]:
    """Angle that the spectrum alone says, against the true one or that of the patch."""
    if not view.has("spectrum_angle") or owner is not None:
        return []
    said = np.degrees(view.values("spectrum_angle").astype(float))
    if view.has("spectrum_angle_spread"):
        said[np.degrees(view.values("spectrum_angle_spread")) > SURE] = np.nan
    true = view.has("truth_angle")
    known = view.values("truth_angle" if true else "consensus_angle").astype(float)
    expected, period = np.degrees(known), min(view.period, AXIS)
    # No model knows the absolute orientation of its unit.
    offset = float(circular.mean((said - expected)[np.isfinite(said - expected)], period))
    expected = circular.wrap(expected, period)
    found = expected + circular.wrap(said - offset - expected, period)
    source = "true" if true else "of the patch"
    return [PredictedQuantity(_ANGLE, "°", source, expected, found, period)]


def _of_patches(scene: Scene, view: ModelResults) -> list[PredictedQuantity]:
    """Size of the bright particle of each patch, in measured and in predicted ones."""
    if not view.has("predicted_patch") or not scene.stack:
        return []
    if view.latents.sizes["site"] > _MOST_READ or "patch" not in scene.patches.variables:
        return []
    numbers = scene.patches["site"].values
    order = np.argsort(numbers, kind="stable")
    rows = order[np.searchsorted(numbers, view.values("site"), sorter=order)]
    true = pictures_of(scene, rows)[:, 0]
    said = view.values("predicted_patch").astype(float)
    said = said.reshape(len(said), -1, *said.shape[-2:])[:, 0]
    if true.shape != said.shape or true.shape[-2] < 4:
        return []
    pitch = float(scene.patches.attrs.get("pitch", 1.0))
    pixel = pitch * (scene.pixel_size if scene.calibrated else 1.0)
    unit = scene.unit if scene.calibrated else "px"
    expected, found = (pixel * _diameter(pictures) for pictures in (true, said))
    return [PredictedQuantity("diameter of equal area", unit, "measured", expected, found)]


def _diameter(pictures: np.ndarray) -> np.ndarray:
    """Diameter (picture,) in samples of the circle that has the area above half height."""
    rim = np.concatenate(
        [pictures[:, 0], pictures[:, -1], pictures[:, :, 0], pictures[:, :, -1]], axis=1
    )
    low = np.nanmedian(rim, axis=1)
    high = np.nanpercentile(pictures, 98, axis=(1, 2))
    level = low + _BRIGHT * (high - low)
    area = (pictures > level[:, None, None]).sum((1, 2))
    return np.where(high > low, 2 * np.sqrt(area / np.pi), np.nan)


def _of_truth(view: ModelResults, owner: np.ndarray | None) -> list[PredictedQuantity]:
    """Known numbers of the sites, read from the latents where no training has been."""
    if not (view.has("held_out") and view.has("consensus_content")):
        return []
    test = view.values("held_out") == 1
    content = view.values("consensus_content").astype(float)
    found = []
    for name in sorted(map(str, view.latents.variables), key=_rank):
        array = view.latents[name]
        if not name.startswith("truth_") or array.dims != ("site",) or name in _NO_READ_OUT:
            continue
        values = view.values(name).astype(float)
        known = np.isfinite(values)
        levels = _LEVELS if owner is None else _FEW
        if known.sum() < 40 or len(np.unique(values[known])) < levels or not (known & test).any():
            continue
        if owner is not None and not _of_particles(values, owner):
            continue
        said = _read_out(content, values, known & ~test)
        said[~test] = np.nan  # in the training it would be no prediction
        unit = str(array.attrs.get("units", "") or "")
        words = name.removeprefix("truth_").replace("_", " ")
        unit = "" if unit == "1" else unit
        found.append(
            PredictedQuantity(f"{plain(words, 20)} from the latents", unit, "true", values, said)
        )
    return found[:_READ_OUT]


_NO_READ_OUT = {"truth_y", "truth_x", "truth_angle", "truth_particle", "truth_nearest"} | {
    "truth_shift_y",
    "truth_shift_x",
}
"""Places and directions, which latents are not to hold, and numbers of particles."""
_SIZES = ("radius", "diameter", "size", "length", "width", "aspect", "gap", "thickness")


def _rank(name: str) -> tuple[int, str]:
    """Order in which known numbers are shown: sizes before all others."""
    places = [k for k, word in enumerate(_SIZES) if word in name]
    return (min(places, default=len(_SIZES)), name)


def _read_out(content: np.ndarray, values: np.ndarray, learn: np.ndarray) -> np.ndarray:
    """Values (site,) by ridge regression on the latents (site, latent) and their squares."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    by = make_pipeline(
        StandardScaler(), PolynomialFeatures(2), StandardScaler(), RidgeCV(np.logspace(-3, 3, 7))
    )
    return by.fit(content[learn], values[learn]).predict(content)


def _of_particles(values: np.ndarray, owner: np.ndarray) -> bool:
    """Whether values (site,) are the same all over each particle."""
    within = [np.ptp(values[owner == k]) for k in np.unique(owner[owner >= 0])]
    return bool(np.nanmax(within) < 1e-3 * np.ptp(values[owner >= 0]))


def particles(view: ModelResults) -> np.ndarray | None:
    """Number of the particle (site,) that each site belongs to, -1 for none; None where sites are
    particles themselves or none are known."""
    name = f"truth_{_PARTICLE}"
    if not view.has(name):
        return None
    values = view.values(name).astype(float)
    owner = np.where(np.isfinite(values), values, -1).astype(int)
    count = len(np.unique(owner[owner >= 0]))
    return owner if _FEW <= count < (owner >= 0).sum() else None


def _averaged(one: PredictedQuantity, owner: np.ndarray) -> PredictedQuantity:
    """The means over the sites of each particle."""
    pairs = []
    for k in np.unique(owner[owner >= 0]):
        own = (owner == k) & np.isfinite(one.expected) & np.isfinite(one.found)
        empty = np.nan, np.nan
        pairs.append((one.expected[own].mean(), one.found[own].mean()) if own.any() else empty)
    expected, found = np.array(pairs).T
    return PredictedQuantity(one.name, one.unit, one.source, expected, found, one.period)
