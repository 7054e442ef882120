"""The quantities that a store holds, read from the attributes of its variables.

Stores of older versions have fewer attributes: what they do not say is told by the names, the types
and the axes of their variables.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.quantities.cf_attributes import (
    CLASSES,
    CRITICISM,
    GROUPS,
    LATENTS,
    OTHER,
    POSE,
    SITE,
    STRAIN,
    TRUTH,
)
from vaescope.quantities.quantity import Quantity
from vaescope.quantities.values import AGREED, TRUE, as_shown, base_name, coded, scale_of, unit_of

if TYPE_CHECKING:
    import xarray as xr

_OF_MODEL = (POSE, LATENTS, CLASSES, OTHER, CRITICISM)
_PARTS = ("latent", "axis", "component", "class")  # short axes: a quantity for each place along it
_BY = ("method", "baseline")  # axes along which several methods answer the same question
_CALLED = {"content": "latent"}
# A pose is strained against the canonical patch of its model, a lattice against its own reference.
_OF_POSE = {"strain": "pose strain"}
_WAYS = {"x": "+ right", "y": "+ down"}


def of(
    dataset: xr.Dataset, rows: np.ndarray | slice | None = None, over: str = "site"
) -> list[Quantity]:
    """List all quantities of a site, a variable with a short axis part by part.

    Parameters
    ----------
    dataset : of any store over ``site``: sites, patches, latents, strain, baselines, movie.
    rows : which sites; None: all.
    over : the axis of whose places they are quantities.

    Returns
    -------
    Quantities in one order, by group, then by name; each with its error, if that is known.
    """
    reader = _Reader(dataset, rows, over)
    return [quantity for name, error in reader.ordered() for quantity in reader.parts(name, error)]


@dataclass(frozen=True)
class _Reader:
    dataset: xr.Dataset
    rows: np.ndarray | slice | None
    over: str

    def ordered(self) -> list[tuple[str, str]]:
        """Names of the variables with quantities and of their errors, which are left out."""
        names = [str(n) for n in self.dataset.variables if self._is_per_site(str(n))]
        errors = {name: self._error_name(name) for name in names}
        left = [name for name in names if name not in errors.values()]
        left.sort(key=lambda name: (GROUPS.index(self._group(name)), base_name(name)))
        return [(name, errors[name]) for name in left]

    def parts(self, name: str, error: str) -> list[Quantity]:
        """The quantities of one variable."""
        found = []
        for place in self._places(name):
            made = self._quantity(name, place)
            if error:
                made = replace(made, error=self._error(made, error, place))
            found.append(made)
        return found

    def _is_per_site(self, name: str) -> bool:
        dims = [str(dim) for dim in self.dataset[name].dims if dim not in _BY]
        rest = [dim for dim in dims if dim != self.over]
        short = len(rest) <= 1 and all(dim in _PARTS for dim in rest)
        return name != self.over and self.over in dims and short

    def _error_name(self, name: str) -> str:
        told = str(self.dataset[name].attrs.get("ancillary_variables", ""))
        known = [told, f"{base_name(name)}_spread", f"{name}_error"]
        return next((n for n in known if n in self.dataset.variables and n != name), "")

    def _group(self, name: str) -> str:
        values, dims = self.dataset[name], set(self.dataset[name].dims)
        if (told := values.attrs.get("group")) in GROUPS:
            return str(told)
        if name.startswith(TRUE):
            return TRUTH
        if dims & set(_BY):
            return STRAIN if "method" in dims else OTHER
        agreed = name.startswith(AGREED)
        if not agreed and ("model" not in self.dataset.attrs or name in self.dataset.coords):
            return SITE
        if "latent" in dims:
            return LATENTS
        if "class" in dims or values.dtype.kind in "iu":
            return CLASSES
        return POSE if agreed else OTHER

    def _places(self, name: str) -> list[dict[str, int]]:
        """Indices along all axes but that of the sites; x comes before y."""
        places: list[dict[str, int]] = [{}]
        for dim in (str(dim) for dim in self.dataset[name].dims if dim != self.over):
            steps = range(self.dataset.sizes[dim])
            ordered = steps[::-1] if dim == "axis" else steps
            places = [{**place, dim: k} for place in places for k in ordered]
        return places

    def _quantity(self, name: str, place: dict[str, int]) -> Quantity:
        array = self.dataset[name]
        attrs = array.attrs
        dim = next((d for d in place if d in _PARTS), "")
        part = self._part(dim, place[dim]) if dim else ""
        by = next((str(self.dataset[d].values[place[d]]) for d in place if d in _BY), "")
        values, words = coded(np.asarray(array.isel(place).values))
        values = values if self.rows is None else values[self.rows]
        scale = scale_of(array, name, values, words)
        values, unit, factor = as_shown(values, unit_of(array, name, scale), name)
        period = factor * self._period(name) if scale == "cyclic" else None
        categories = self._categories(name, values, words) if scale == "categorical" else ((), ())
        called = self._in_words(name)
        label = f"{part} {called}" if dim == "axis" else f"{called} {part}".strip()
        told = called if self._is_of_pose(name) else str(attrs.get("long_name", called))
        meaning = f"{told} {part}".strip() + (f" by {by}" if by else "")
        if period and unit == "°" and period < 360:
            meaning += f", known modulo {period:g} degrees"
        return Quantity(
            name=name,
            key="_".join(filter(None, (self._key(name), by.lower(), part))),
            label=f"{label}, {by}" if by else label,
            meaning=meaning,
            unit=unit,
            scale=scale,
            values=values,
            group=self._group(name),
            dim=dim,
            part=part,
            owner=self._owner(name),
            way=_WAYS.get(part, "") if dim == "axis" else "",
            declared="scale" in attrs or name.startswith(AGREED),
            period=period,
            levels=categories[0],
            worded=bool(words),
            meanings=categories[1],
            valid=(attrs["valid_min"], attrs["valid_max"]) if "valid_max" in attrs else None,
        )

    def _part(self, dim: str, index: int) -> str:
        if dim in self.dataset.coords:
            return str(self.dataset[dim].values[index])
        return str(index + 1 if dim == "latent" else index)

    def _error(self, quantity: Quantity, name: str, place: dict[str, int]) -> Quantity:
        made = self._quantity(
            name, {d: k for d, k in place.items() if d in self.dataset[name].dims}
        )
        bare = base_name(quantity.name)
        made = replace(
            made, scale="sequential", is_error=True, way="", declared=False, period=None, levels=(),
            owner=quantity.owner, group=quantity.group,
        )  # fmt: skip
        kind = name.removeprefix(f"{bare}_")
        if kind == name:
            return made
        label = f"{quantity.label} {kind}"
        if kind == "error":
            label = f"standard error of {quantity.label}"
        words = {"error": "standard error", "spread": "spread"}.get(kind)
        meaning = f"{words} of {quantity.meaning}" if words else made.meaning
        return replace(made, key=f"{quantity.key}_{kind}", label=label, meaning=meaning)

    def _owner(self, name: str) -> str:
        if self.over != "site" or name in self.dataset.coords:
            return ""
        return str(self.dataset.attrs.get("model", "")) if self._group(name) in _OF_MODEL else ""

    def _is_of_pose(self, name: str) -> bool:
        return name.startswith(AGREED) and base_name(name) in _OF_POSE

    def _key(self, name: str) -> str:
        bare = base_name(name)
        if self._is_of_pose(name):
            return _OF_POSE[bare].replace(" ", "_")
        return _CALLED.get(bare, bare)

    def _in_words(self, name: str) -> str:
        """What a variable is called: by its name where members agree on it, else as it says."""
        if name.startswith(AGREED):
            return self._key(name).replace("_", " ")
        bare = name.removeprefix(TRUE).replace("_", " ")
        told = str(self.dataset[name].attrs.get("long_name", bare))
        true = name.startswith(TRUE) and not told.startswith("true ")
        return f"true {told}" if true else told

    def _period(self, name: str) -> float:
        if (told := self.dataset[name].attrs.get("period")) is not None:
            return float(told)
        key = "truth_symmetry" if name.startswith(TRUE) else "symmetry"
        return 2 * np.pi / max(1, int(self.dataset.attrs.get(key) or 1))

    def _categories(
        self, name: str, values: np.ndarray, words: tuple[str, ...]
    ) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """The values of a category and what they stand for."""
        attrs = self.dataset[name].attrs
        if words:
            return tuple(range(len(words))), words
        if values.dtype.kind == "b":
            return (1, 0), ("yes", "no")
        if "flag_values" in attrs:
            told = tuple(word.replace("_", " ") for word in str(attrs["flag_meanings"]).split())
            return tuple(int(value) for value in np.atleast_1d(attrs["flag_values"])), told
        known = np.unique(values[np.isfinite(values)]).astype(int).tolist()
        if base_name(name) in self.dataset.sizes:  # some of the classes may be empty
            known = list(range(self.dataset.sizes[base_name(name)]))
        names: list[Any] = np.atleast_1d(self.dataset.attrs.get(f"{name}_names", [])).tolist()
        called = self._in_words(name)
        known = [k for k in known if k >= 0]
        said = (str(names[k]) if k < len(names) else f"{called} {k}" for k in known)
        return tuple(known), tuple(said)
