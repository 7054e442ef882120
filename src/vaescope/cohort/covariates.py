"""Covariates of images, from further columns of the sample sheet: numbers with a unit, or
categories."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

SPECIMEN = "specimen"
"""Column that says which images are of one specimen, so that they are no independent ones."""
_NUMBER = re.compile(
    r"(?P<sign>[-+\N{MINUS SIGN}]?)(?P<number>\d+(?:[.,]\d+)?(?:[eE][-+]?\d+)?)\s*(?P<unit>.{0,20})"
)


@dataclass(frozen=True)
class Covariate:
    """A covariate of the images of a group: ``cells`` as written, empty where it is not known, and
    ``numbers`` (image,), NaN where it is not known, with their ``unit``; None for a category."""

    name: str
    cells: tuple[str, ...]
    numbers: np.ndarray | None = None
    unit: str = ""

    @property
    def levels(self) -> list[str]:
        """The different values: in ascending order of numbers, else as they come."""
        found = list(dict.fromkeys(cell for cell in self.cells if cell))
        if self.numbers is None:
            return found
        value = dict(zip(self.cells, self.numbers, strict=True))
        return sorted(found, key=lambda cell: value[cell])


def covariates_of(rows: Sequence[Mapping[str, str]]) -> list[Covariate]:
    """The covariates of images from the cells of each, by the names of the columns; those that no
    image has, or that are alike in all, are left out."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    found = []
    for name in names:
        cells = tuple(row.get(name, "").strip() for row in rows)
        if len({cell for cell in cells if cell}) > 1:
            found.append(_covariate(name, cells))
    return found


def _covariate(name: str, cells: tuple[str, ...]) -> Covariate:
    parsed = [_NUMBER.fullmatch(cell) for cell in cells]
    known = [match for match, cell in zip(parsed, cells, strict=True) if cell]
    units = {match["unit"] for match in known if match is not None}
    if name == SPECIMEN or len(units) != 1 or None in known:
        return Covariate(name, cells)
    numbers = np.array([np.nan if match is None else _value(match) for match in parsed])
    return Covariate(name, cells, numbers, units.pop())


def _value(match: re.Match[str]) -> float:
    size = float(match["number"].replace(",", "."))
    return size if match["sign"] in ("", "+") else -size
