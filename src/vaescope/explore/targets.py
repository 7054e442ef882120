"""Targets of a measurement: one number made of a spectrum, or several as a weighted sum."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vaescope import user_function
from vaescope.errors import UserError
from vaescope.explore.target_settings import Scalar


def values(
    spectra: np.ndarray,
    axis: np.ndarray,
    target: Scalar,
    known: np.ndarray | None = None,
    seed: int = 0,
) -> np.ndarray:
    """One number of every spectrum.

    Parameters
    ----------
    spectra : (site, channel); a row with a value that is not finite within the range was not
        measured.
    axis : (channel,) in its unit. target : which number.
    known : (site,) bool, the spectra of which the components of NMF and PCA are made; by default
        all.

    Returns
    -------
    (site,) float, NaN where the spectrum was not measured or the number is not defined. A position
    is that of a parabola through the three samples about the highest; an area is by the
    trapezoidal rule, whichever way the axis runs; that of a loop is ½∮(x dy − y dx) as an absolute
    value, the last sample joined to the first.

    Raises
    ------
    UserError : a range without samples, components that cannot be made, or a user's function that
        fails or returns something else.
    """
    spectra = np.asarray(spectra, float)
    axis = np.asarray(axis, float)
    inside = _within(axis, target.range)
    other = _within(axis, target.over)
    found = _MADE[target.quantity](spectra, axis, inside, other, target, known, seed)
    used = inside | other if target.quantity == "ratio" else inside
    found = np.where(np.isfinite(spectra[:, used]).all(1), found, np.nan)
    return np.where(np.isfinite(found), found, np.nan)


def words(target: Scalar, axis_unit: str = "") -> str:
    """The target in words, such as `peak height from 1.5 to 2.6 eV`."""
    said = {
        "height": "peak height",
        "position": "position of the peak",
        "mean": "mean",
        "area": "area",
        "ratio": "ratio of means",
        "loop_area": "area of the loop",
        "component": f"component {target.component} of {target.components} of"
        f" {target.factors.upper()}",
        "function": "value of " + f"{target.function}".rpartition(":")[2],
    }[target.quantity]
    unit = f" {axis_unit}" if axis_unit and axis_unit != "1" else ""
    for name, ends in (("from", target.range), ("over that from", target.over)):
        if ends is not None:
            said += f" {name} {ends[0]:g} to {ends[1]:g}{unit}".replace("-", "−")
    return said


def sum_of(parts: Mapping[str, Scalar]) -> str:
    """The weighted sum of several numbers by name, such as `height − 0.5 width`."""
    said = ""
    for name, one in parts.items():
        sign = "−" if one.weight < 0 else "+" if said else ""
        size = "" if abs(one.weight) == 1 else f"{abs(one.weight):g} "
        said += f" {sign} {size}{name}" if said else f"{sign}{size}{name}"
    return said


def unit(target: Scalar, signal_unit: str, axis_unit: str) -> str:
    """The unit of the target."""
    signal, axis = signal_unit or "1", axis_unit or "1"
    if target.quantity == "position":
        return axis
    if target.quantity in ("area", "loop_area"):
        return " ".join(one for one in (signal, axis) if one != "1") or "1"
    return signal if target.quantity in ("height", "mean") else "1"


def _within(axis: np.ndarray, ends: list[float] | None) -> np.ndarray:
    if ends is None:
        return np.ones(len(axis), bool)
    inside = (axis >= ends[0]) & (axis <= ends[1])
    if not inside.any():
        raise UserError(
            "a range of the target holds no samples of the spectra",
            found=f"{ends[0]:g} to {ends[1]:g}",
            expected=f"within {np.nanmin(axis):g} to {np.nanmax(axis):g}",
            remedy="Give `explore.target.range` in the unit of the axis of the spectra",
        )
    return inside


Maker = Callable[..., np.ndarray]


def _height(spectra: np.ndarray, axis: np.ndarray, inside: np.ndarray, *_: Any) -> np.ndarray:
    return spectra[:, inside].max(1)


def _position(spectra: np.ndarray, axis: np.ndarray, inside: np.ndarray, *_: Any) -> np.ndarray:
    part, place = spectra[:, inside], axis[inside]
    filled = np.where(np.isfinite(part), part, -np.inf)
    top = filled.argmax(1)
    rows, middle = np.arange(len(part)), np.clip(top, 1, max(len(place) - 2, 1))
    if len(place) < 3:
        return place[top]
    low, here, high = (filled[rows, middle + k] for k in (-1, 0, 1))
    bend = low - 2 * here + high
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.where((bend < 0) & (top == middle), 0.5 * (low - high) / bend, 0.0)
    shift = np.clip(np.nan_to_num(shift), -0.5, 0.5)
    step = np.where(shift < 0, place[middle] - place[middle - 1], place[middle + 1] - place[middle])
    return place[top] + shift * step


def _mean(spectra: np.ndarray, axis: np.ndarray, inside: np.ndarray, *_: Any) -> np.ndarray:
    return spectra[:, inside].mean(1)


def _area(spectra: np.ndarray, axis: np.ndarray, inside: np.ndarray, *_: Any) -> np.ndarray:
    part, steps = spectra[:, inside], np.abs(np.diff(axis[inside]))
    return 0.5 * (part[:, 1:] + part[:, :-1]) @ steps


def _ratio(
    spectra: np.ndarray, axis: np.ndarray, inside: np.ndarray, other: np.ndarray, *_: Any
) -> np.ndarray:
    below = spectra[:, other].mean(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, spectra[:, inside].mean(1) / below, np.nan)


def _loop_area(spectra: np.ndarray, axis: np.ndarray, inside: np.ndarray, *_: Any) -> np.ndarray:
    y, x = spectra[:, inside], axis[inside]
    following = np.roll(y, -1, axis=1), np.roll(x, -1)
    return np.abs(0.5 * (x * following[0] - following[1] * y).sum(1))


def _component(
    spectra: np.ndarray,
    axis: np.ndarray,
    inside: np.ndarray,
    other: np.ndarray,
    target: Scalar,
    known: np.ndarray | None,
    seed: int,
) -> np.ndarray:
    from sklearn.decomposition import NMF, PCA
    from sklearn.exceptions import ConvergenceWarning

    part = spectra[:, inside]
    finite = np.isfinite(part).all(1)
    learned = finite if known is None else finite & known
    if min(learned.sum(), part.shape[1]) < target.components:
        raise UserError(
            f"too few spectra for {target.components} components",
            found=f"{learned.sum()} spectra of {part.shape[1]} samples",
            remedy="Set `explore.target.components` lower, or start with more spectra",
        )
    if target.factors == "nmf":
        part = np.maximum(part - min(0.0, float(part[learned].min())), 0)
        model: Any = NMF(target.components, init="nndsvda", max_iter=400, random_state=seed)
    else:
        model = PCA(target.components, random_state=seed)
    found = np.full(len(part), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(part[learned])
        found[finite] = model.transform(part[finite])[:, target.component - 1]
    return found


def _function(
    spectra: np.ndarray,
    axis: np.ndarray,
    inside: np.ndarray,
    other: np.ndarray,
    target: Scalar,
    *_: Any,
) -> np.ndarray:
    name = f"{Scalar.PART}.function"
    function = user_function.load(target.function, name)
    assert function is not None
    part = spectra[:, inside]
    found = np.full(len(part), np.nan)
    measured = np.isfinite(part).all(1)
    if not measured.any():
        return found
    rows = int(measured.sum())
    found[measured] = user_function.numbers(function, name, rows, part[measured], axis[inside])
    return found


_MADE: dict[str, Maker] = {
    "height": _height,
    "position": _position,
    "mean": _mean,
    "area": _area,
    "ratio": _ratio,
    "loop_area": _loop_area,
    "component": _component,
    "function": _function,
}
