"""Checks of what is given to an explorer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UserError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

ONLY = "candidates"
"""Name of the description where there is but one."""


def check_counts(**given: float) -> None:
    """Check numbers that are to be finite and at least 0.

    Raises
    ------
    UserError : one is not.
    """
    for name, value in given.items():
        if not 0 <= float(value) < float("inf"):
            raise UserError(
                f"`{name}` is not possible", found=value, expected="a finite number of at least 0"
            )


def _numbers(given: ArrayLike, what: str) -> np.ndarray:
    try:
        return np.asarray(given, float)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{what} are no numbers", found=str(error), expected="an array of real numbers"
        ) from error


def check_candidates(
    candidates: ArrayLike | Mapping[str, ArrayLike],
) -> dict[str, np.ndarray]:
    """Descriptions (n, features) by name, float64.

    Raises
    ------
    UserError : there is none, they differ in n, or a value is not finite.
    """
    given = candidates if isinstance(candidates, Mapping) else {ONLY: candidates}
    found = {str(name): _numbers(value, "the candidates") for name, value in given.items()}
    shapes = {name: value.shape for name, value in found.items()}
    lengths = {shape[0] if len(shape) == 2 else -1 for shape in shapes.values()}
    if len(lengths) != 1 or min(lengths) < 1 or not all(min(s) for s in shapes.values()):
        raise UserError(
            "the candidates cannot be explored",
            found=f"arrays of shapes {shapes}",
            expected="one row of features for each candidate, the same number in every description",
        )
    for name, value in found.items():
        if not np.isfinite(value).all():
            row = int(np.flatnonzero(~np.isfinite(value).all(1))[0])
            raise UserError(
                f"features of the candidates (`{name}`) are not finite",
                found=f"{value[row]} in row {row}",
                remedy="Leave such candidates out",
            )
    return found


def check_names(names: Collection[str], descriptions: Mapping[str, np.ndarray]) -> list[str]:
    """Names of some descriptions.

    Raises
    ------
    UserError : there is none of a name.
    """
    unknown = [name for name in names if name not in descriptions]
    if unknown:
        raise UserError(
            "no description of the candidates has this name",
            found=repr(unknown[0]),
            expected="one of " + ", ".join(descriptions),
        )
    return list(names)


def check_weights(allowed: ArrayLike | None, n: int) -> np.ndarray:
    """Weights (n,) from 0 to 1.

    Raises
    ------
    UserError : there are not n, or one lies outside.
    """
    weights = np.ones(n) if allowed is None else _numbers(allowed, "`allowed`")
    if weights.shape != (n,) or not ((weights >= 0) & (weights <= 1)).all():
        raise UserError(
            "`allowed` does not fit the candidates",
            found=f"an array of shape {weights.shape} with values up to {weights.max(initial=0):g}",
            expected=f"{n} weights from 0 to 1",
        )
    return weights


def check_places(places: ArrayLike | None, cost: float, n: int) -> np.ndarray | None:
    """Places (n, 2), or None where nothing depends on them.

    Raises
    ------
    UserError : there is a cost of travelling but no places, or these are not n finite pairs.
    """
    if places is None and cost:
        raise UserError(
            "travelling costs time between places that are not given", found="no `places`"
        )
    if places is None:
        return None
    found = _numbers(places, "`places`")
    if found.shape != (n, 2) or not np.isfinite(found).all():
        raise UserError(
            "`places` do not fit the candidates",
            found=f"an array of shape {found.shape}",
            expected=f"{n} finite pairs",
        )
    return found


def check_tell(indices: ArrayLike, values: ArrayLike, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices (k,) and values (k,).

    Raises
    ------
    UserError : their numbers differ, an index is no candidate's, or a value is infinite.
    """
    points = np.atleast_1d(_numbers(indices, "indices of candidates"))
    numbers = np.atleast_1d(_numbers(values, "values of candidates"))
    if points.shape != numbers.shape or points.ndim != 1:
        raise UserError(
            "evaluated candidates and their values differ in number",
            found=f"{points.shape} and {numbers.shape}",
        )
    if not ((points >= 0) & (points < n) & (points == np.trunc(points))).all():
        raise UserError(
            "there is no such candidate",
            found=f"indices from {points.min():g} to {points.max():g}",
            expected=f"whole numbers from 0 to {n - 1}",
        )
    whole = points.astype(int)
    if np.isinf(numbers).any():
        raise UserError(
            "a value is infinite",
            found=f"{numbers[np.isinf(numbers)][0]} for candidate {whole[np.isinf(numbers)][0]}",
            expected="finite numbers, or NaN where an evaluation failed",
        )
    return whole, numbers
