"""Predict the spectrum of every site from its surroundings in the image: the Dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import UserError
from vaescope.predict import apart, bands, blend, components, context, gain, predictors
from vaescope.predict.settings import PredictSettings
from vaescope.quantities import CRITICISM, FIT, attributes
from vaescope.samples import held_out
from vaescope.samples.held_out import Split

if TYPE_CHECKING:
    import xarray as xr

MEAN = "mean"
WINDOW = 15.0  # px, side of the square around a site, where nothing says another
_WORDS = {MEAN: "mean spectrum of the training sites", **predictors.WORDS}


@dataclass(frozen=True)
class ImagedSpectra:
    """Sites with a spectrum and what an image shows around them.

    ``spectra`` (site, energy) in the unit of the signal; a spectrum that is not finite was not
    measured, and is predicted only. Either ``image`` (channel, height, width) with the place
    ``y``, ``x`` (site,) of each site in it, in pixels, and ``pitch``, pixels of the image per pixel
    of the spectra; or ``patches`` (site, channel, height, width), with ``y``, ``x`` where they lie
    in one image. ``counts`` : the spectra are counts, with any gain. ``split`` : of the sites, made
    already.
    """

    spectra: np.ndarray
    image: np.ndarray | None = None
    images: np.ndarray | None = None
    frame: np.ndarray | None = None
    patches: np.ndarray | None = None
    y: np.ndarray | None = None
    x: np.ndarray | None = None
    pitch: float = 1.0
    counts: bool = False
    energy: np.ndarray | None = None
    split: Split | None = None


def spectra(
    pairs: ImagedSpectra,
    settings: Mapping[str, Any] | PredictSettings | None = None,
    *,
    outside: Mapping[str, predictors.Outside] | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Predict all spectra, each from sites apart from it.

    Test sites, and those in the gap, are predicted from all training sites; training sites from
    the blocks of training in which they do not lie.

    Parameters
    ----------
    settings : the part `prediction` of a recipe. outside : predictors that join the blend, by name.
    seed : of the held-out block and of all random numbers.

    Returns
    -------
    Dataset over ``site``, ``energy`` and ``baseline`` (mean, ridge, neighbours):
    ``predicted_spectrum`` (site, energy); ``predicted_spectrum_low``, ``_high``, the 68 % band of
    what would be measured, noise included, and ``…_low_95``, ``…_high_95``; ``held_out`` (site,) 1
    for test sites; ``error`` (site,), the root mean square over energies of what was measured minus
    what was predicted, and ``baseline_error`` (baseline, site). Attributes, over test sites:
    ``relative_error``, mean square error over that of the mean spectrum, and the same of every
    baseline and predictor, ``relative_error_NAME``; ``relative_error_of_signal``, with the variance
    of the noise taken off both; ``coverage_68``, ``coverage_95``; ``weight_NAME`` of predictors in
    the blend; ``band_places``, independent places on which the bands rest, and ``band_scatter``,
    standard deviation of the logarithm of the size of errors between them; ``flatters``, 1 where
    test sites lie beside training sites, or where nobody knows.

    Raises
    ------
    UserError : too few spectra, shapes that do not fit, or an image without any contrast.
    """
    chosen = PredictSettings.of(settings)
    window = chosen.window or WINDOW
    _fitting(pairs)
    measured = np.isfinite(pairs.spectra).all(1)
    known = np.where(measured[:, None], pairs.spectra, 0.0).astype(np.float64)
    split, folds = _split(pairs, measured, chosen, window, seed)
    if not np.ptp(known[split.train], axis=0).any():
        raise UserError(
            "all spectra of the training are the same",
            expected="spectra that differ from place to place",
            remedy="Look at the spectra: another signal of the file may be meant",
        )
    surroundings = _context(pairs, window)
    basis = components.fit(known[split.train], pairs.counts, seed)
    scores = basis.scores(known)
    strength = gain.of_context(surroundings, known, split.train, basis)
    every = predictors.built(surroundings, scores, seed, strength)
    for name, predict in (outside or {}).items():
        every[name] = predictors.from_outside(predict, basis)
    mixed = [name for name in every if name not in predictors.BASELINES]
    worth = (basis.loadings() ** 2).sum(1)
    fitted = blend.fit(every, scores, worth, split.train, folds, mixed)
    best = fitted.scores()
    table = surroundings.table()
    about = np.hstack([table, best, fitted.spread()])
    predicted = _apart(basis.spectra(best), known, folds, pairs.counts, seed)
    predicted = np.maximum(predicted, 0) if pairs.counts else predicted
    position = _positions(pairs)
    parted = apart.of_folds(folds, split.train, table, position, window / pairs.pitch)
    band = bands.fit(basis, known, predicted, about, parted, seed, pairs.counts)
    each = {MEAN: np.zeros_like(best)}
    each |= dict(zip(fitted.names, fitted.of_members(), strict=True))
    made = _dataset(pairs, basis, predicted, band, split, measured, each)
    weights = {f"weight_{n}": float(w) for n, w in zip(fitted.names, fitted.weights, strict=True)}
    made.attrs |= weights | {
        "held_out": "random" if split.flatters else "blocks",
        "flatters": int(split.flatters),
        "window": window,
        "components": len(basis.vectors),
        "band_places": band.places,
        "band_scatter": band.scatter,
        "seed": seed,
    }
    return made


def _apart(
    predicted: np.ndarray, known: np.ndarray, folds: list[Split], counts: bool, seed: int
) -> np.ndarray:
    """Predicted spectra, those of a fold's test sites by components that have not seen them."""
    predicted = predicted.copy()
    for split in folds:
        basis = components.fit(known[split.train], counts, seed)
        predicted[split.test] = basis.spectra(basis.scores(predicted[split.test]))
    return predicted


def _fitting(pairs: ImagedSpectra) -> None:
    sites = len(pairs.spectra)
    given = [one for one in (pairs.image, pairs.images, pairs.patches) if one is not None]
    if len(given) != 1:
        raise ValueError("either an image, several images, or patches")
    if pairs.patches is None and (pairs.y is None or pairs.x is None):
        raise ValueError("sites in an image have places")
    if (pairs.images is None) != (pairs.frame is None):
        raise ValueError("several images go with the frame of each site")
    for name in ("patches", "y", "x", "frame"):
        one = getattr(pairs, name)
        if one is not None and len(one) != sites:
            raise UserError(
                f"`{name}` and `spectra` are not of the same sites",
                found=f"{len(one)} and {sites}",
                expected="one of each per site",
            )
    if not np.isfinite(given[0]).any() or not np.nanmax(given[0]) > np.nanmin(given[0]):
        raise UserError(
            "the image has the same value everywhere",
            expected="an image that shows something beside the spectra",
            remedy="Choose another channel or file",
        )


def _split(
    pairs: ImagedSpectra, measured: np.ndarray, chosen: PredictSettings, window: float, seed: int
) -> tuple[Split, list[Split]]:
    """The split of all sites into training and test, and the folds of training."""
    rows = np.flatnonzero(measured)
    gap = window / pairs.pitch
    position = _positions(pairs)
    given = pairs.split
    if given is not None:
        split = Split(given.train[rows], given.test[rows], given.flatters)
    elif position is None or chosen.held_out == "random":
        split = held_out.random(len(rows), chosen.share, seed)
    else:
        y, x = position[rows].T
        split = held_out.blocks(y, x, chosen.share, gap, seed)
    if position is not None:
        y, x = position[rows[split.train]].T
        folds = held_out.folds(y, x, chosen.folds, gap)
    else:
        folds = held_out.random_folds(int(split.train.sum()), chosen.folds, seed)
    train = rows[split.train]
    return _of(split, rows, len(measured)), [_of(one, train, len(measured)) for one in folds]


def _positions(pairs: ImagedSpectra) -> np.ndarray | None:
    """(site, 2) in pixels of the spectra; None where sites have no place."""
    if pairs.y is None or pairs.x is None:
        return None
    return np.stack([pairs.y, pairs.x], 1).astype(float) / pairs.pitch


def _of(split: Split, rows: np.ndarray, count: int) -> Split:
    """A split of the sites ``rows`` as one of all sites."""
    train, test = np.zeros(count, bool), np.zeros(count, bool)
    train[rows], test[rows] = split.train, split.test
    return Split(train, test, split.flatters)


def _context(pairs: ImagedSpectra, window: float) -> context.Context:
    if pairs.patches is not None:
        return context.of_patches(_finite(pairs.patches))
    assert pairs.y is not None and pairs.x is not None
    images = pairs.images if pairs.image is None else pairs.image[None]
    assert images is not None
    images = _finite(images)
    frame = np.zeros(len(pairs.y), int) if pairs.frame is None else pairs.frame
    y, x = pairs.y.astype(float), pairs.x.astype(float)
    binned = int(pairs.pitch)
    if binned > 1:
        from skimage.measure import block_reduce

        height, width = (side // binned * binned for side in images.shape[2:])
        images = block_reduce(images[..., :height, :width], (1, 1, binned, binned), np.mean)
        y, x = (y + 0.5) / binned - 0.5, (x + 0.5) / binned - 0.5
    return context.of_frames(images, frame, y, x, window / max(1, binned))


def _finite(pictures: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(pictures), pictures, np.nanmedian(pictures)).astype(np.float64)


def _dataset(
    pairs: ImagedSpectra,
    basis: components.Components,
    predicted: np.ndarray,
    band: bands.Bands,
    split: Split,
    measured: np.ndarray,
    each: Mapping[str, np.ndarray],
) -> xr.Dataset:
    import xarray as xr

    band_names = ("predicted_spectrum_low", "predicted_spectrum_high")
    variables: dict[str, Any] = {"predicted_spectrum": predicted}
    for ending, low, high in zip(("", "_95"), band.low, band.high, strict=True):
        variables |= {band_names[0] + ending: low, band_names[1] + ending: high}
    words = {
        "predicted_spectrum": "spectrum predicted from sites apart",
        "predicted_spectrum_low": "lower end of the 68 % band of what would be measured",
        "predicted_spectrum_high": "upper end of the 68 % band of what would be measured",
        "predicted_spectrum_low_95": "lower end of the 95 % band of what would be measured",
        "predicted_spectrum_high_95": "upper end of the 95 % band of what would be measured",
    }
    baselines = [MEAN, *predictors.BASELINES]
    truth = np.where(measured[:, None], pairs.spectra, np.nan)
    missed = {name: _missed(basis.spectra(one), truth) for name, one in each.items()}
    error = _missed(predicted, truth)
    made = xr.Dataset(
        {
            name: (("site", "energy"), values.astype(np.float32), attributes(words[name], ""))
            for name, values in variables.items()
        }
        | {
            "held_out": ("site", split.test.astype(np.int8), _HELD_OUT),
            "error": ("site", np.sqrt(error).astype(np.float32), _ERROR),
            "baseline_error": (
                ("baseline", "site"),
                np.sqrt([missed[name] for name in baselines]).astype(np.float32),
                attributes("root mean square error of baselines", ""),
            ),
        },
        coords={
            "site": np.arange(len(predicted)),
            "baseline": baselines,
            "baseline_words": ("baseline", [_WORDS[name] for name in baselines]),
        },
    )
    if pairs.energy is not None:
        made = made.assign_coords(energy=np.asarray(pairs.energy))
    made.attrs = _scores(truth, basis.variance(predicted), error, missed, split.test, band)
    return made


_HELD_OUT = attributes(
    "use of the site", "1", "categorical", meanings=["trained", "held out"], group=FIT
)
_ERROR = attributes(
    "root mean square error of the predicted spectrum", "", "sequential", group=CRITICISM
)


def _missed(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(site,) mean square over energies; NaN where nothing was measured."""
    return ((predicted - truth) ** 2).mean(1)


def _scores(
    truth: np.ndarray,
    noise: np.ndarray,
    error: np.ndarray,
    missed: Mapping[str, np.ndarray],
    test: np.ndarray,
    band: bands.Bands,
) -> dict[str, Any]:
    """What the test sites say, as attributes."""
    of_mean, floor = float(missed[MEAN][test].mean()), float(noise[test].mean())
    over = of_mean or 1.0
    inside = (truth >= band.low) & (truth <= band.high)
    found: dict[str, Any] = {
        "relative_error": float(error[test].mean()) / over,
        "coverage_68": float(inside[0][test].mean()),
        "coverage_95": float(inside[1][test].mean()),
    }
    for name, one in missed.items():
        found[f"relative_error_{name}"] = float(one[test].mean()) / over
    if of_mean > 1.05 * floor:
        found["relative_error_of_signal"] = (float(error[test].mean()) - floor) / (of_mean - floor)
    return found
