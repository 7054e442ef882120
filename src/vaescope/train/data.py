"""The data of a training: patches, and what its recipe lets a model know of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import UserError
from vaescope.models.settings import ModelSettings
from vaescope.models.views import SPECTRUM, VIEWS
from vaescope.samples import gaps, loading
from vaescope.samples.held_out import HELD_OUT, WAYS
from vaescope.sites.neighbours import neighbours

if TYPE_CHECKING:
    import xarray as xr

PREFIX = "truth_"
"""Of the variables that come with patches; a model sees those that its settings name, no other."""

MOST_LEVELS = 64  # distinct whole numbers that are still classes


@dataclass(frozen=True)
class Codec:
    """How known variables become numbers; stored with the weights.

    ``conditions`` : for each, ``name`` and its ``levels`` (classes, one number each) or its
    ``mean`` and ``sd``. ``levels`` : the value of every labelled class.
    """

    conditions: tuple[dict[str, Any], ...] = ()
    levels: tuple[float, ...] = ()

    @property
    def size(self) -> int:
        """How many numbers the conditions of one site are."""
        return sum(len(c["levels"]) if "levels" in c else 1 for c in self.conditions)

    def as_dict(self) -> dict[str, Any]:
        return {"conditions": list(self.conditions), "levels": list(self.levels)}

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Codec:
        return cls(tuple(given.get("conditions", ())), tuple(given.get("levels", ())))

    def encode(self, columns: dict[str, np.ndarray]) -> np.ndarray:
        """Conditions (site, number) from columns (site,) by name.

        Raises
        ------
        UserError : a class that was not there in training.
        """
        parts = []
        for condition in self.conditions:
            values = columns[condition["name"]]
            if "levels" in condition:
                # One-hot it would be no class at all, which the model never saw.
                new = np.setdiff1d(values, condition["levels"])
                if len(new):
                    raise UserError(
                        f"the model was not trained with some values of `{condition['name']}`",
                        found=", ".join(f"{v:g}" for v in new[:5]),
                        expected="some of " + ", ".join(f"{v:g}" for v in condition["levels"]),
                    )
                parts.append((values[:, None] == np.array(condition["levels"])).astype(np.float32))
            else:
                scaled = (values - condition["mean"]) / condition["sd"]
                parts.append(scaled[:, None].astype(np.float32))
        return np.concatenate(parts, axis=1) if parts else np.zeros((0, 0), np.float32)


@dataclass
class Data:
    """Patches and what is known of them, as arrays over the site.

    ``patches``, ``target`` (site, channel, height, width); ``conditions`` (site, number);
    ``labels`` (site,) index of the class, -1 where it is not known; ``position`` (site, 3) as
    frame, y, x; ``held_out`` (site,); ``known`` (site, height, width), the pixels of a target that
    is a view of the site which were measured, None if all were; ``spectra`` (site, channel) beside
    the patches, None if the model has nothing to do with them, and ``spectra_known`` of the same
    shape, what of them was measured, None if all was; ``axis`` (channel,) of the spectra decoded,
    None if the model does not need it; ``direction`` (site,) of each site in rad, float32, NaN
    where it has none, None if the prior of the angle does not follow it; ``cell``, the two vectors
    of the unit cell as (x, y) in units of half the patch side, None if patches show no lattice;
    ``partial`` (site,) where too little of the patch was measured to learn from it, None if
    nowhere; ``zero`` (channel,) float32, value of the target where there is no signal, None if the
    model does not need it.
    """

    patches: np.ndarray
    target: np.ndarray
    conditions: np.ndarray
    labels: np.ndarray | None
    position: np.ndarray
    held_out: np.ndarray
    codec: Codec
    known: np.ndarray | None = None
    spectra: np.ndarray | None = None
    spectra_known: np.ndarray | None = None
    axis: np.ndarray | None = None
    direction: np.ndarray | None = None
    cell: list[list[float]] | None = None
    partial: np.ndarray | None = None
    zero: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.patches)

    def rows(self, chosen: np.ndarray) -> Data:
        """The patches, and what is known of them, of some sites."""
        same = self.target is self.patches
        patches = np.ascontiguousarray(self.patches[chosen])
        return replace(
            self,
            patches=patches,
            target=patches if same else np.ascontiguousarray(self.target[chosen]),
            conditions=self.conditions[chosen],
            labels=None if self.labels is None else self.labels[chosen],
            position=self.position[chosen],
            held_out=self.held_out[chosen],
            known=None if self.known is None else self.known[chosen],
            spectra=None if self.spectra is None else self.spectra[chosen],
            spectra_known=None if self.spectra_known is None else self.spectra_known[chosen],
            direction=None if self.direction is None else self.direction[chosen],
            partial=None if self.partial is None else self.partial[chosen],
        )

    def batches(self, size: int) -> Iterator[Data]:
        """In order, ``size`` sites at a time."""
        for start in range(0, len(self), size):
            yield self.rows(np.arange(start, min(start + size, len(self))))

    def digest(self) -> str:
        """Changes with anything that a training sees."""
        known = self.codec.as_dict() | ({} if self.cell is None else {"cell": self.cell})
        total = hashlib.sha256(json.dumps(known).encode())
        own = (self.patches, self.target, self.conditions, self.labels, self.position, self.known)
        for array in (*own, self.spectra, self.spectra_known, self.axis, self.direction, self.zero):
            if array is not None:
                total.update(np.ascontiguousarray(array).data)
        return total.hexdigest()

    def neighbours(self) -> np.ndarray | None:
        """Indices (site, NEIGHBOURS) of the nearest sites of the same frame; None where frames
        hold too few sites to speak of neighbours."""
        return neighbours(self.position[:, 0], self.position[:, 1:])


def gather(
    patches: xr.Dataset, settings: ModelSettings, codec: Codec | None = None, seed: int = 0
) -> Data:
    """Gather what a model with these settings is trained on from a Dataset of patches.

    Parameters
    ----------
    patches : the Dataset of ``samples.zarr``.
    settings : of the model; ``condition``, ``labels``, ``target`` and ``held_out`` name variables.
    codec : that of a trained model; None: made from these patches.
    seed : of the choice of ``labels_per_class`` labels.

    Raises
    ------
    UserError : a variable is missing, has the wrong shape, or holds values that no model can use.
    """
    pictures, known_pixels = loading.load(patches, VIEWS[settings.view])
    columns = {
        name: _column(patches, name, "condition", complete=True)
        for name in settings.condition or []
    }
    known = None
    if settings.labels and (codec is None or _find(patches, settings.labels) is not None):
        known = _column(patches, settings.labels, "labels")
    apart = held_out(patches, settings)
    if codec is None:
        levels = () if known is None else _levels(known[~apart], settings)
        codec = Codec(tuple(_condition(n, v) for n, v in columns.items()), levels)
    labels = None
    if known is not None:
        labels = np.full(len(known), -1)
        for index, level in enumerate(codec.levels):
            labels[known == level] = index
        labels = _used(labels, apart, settings.labels_per_class, seed)
    target = pictures
    if settings.target in VIEWS and settings.target in patches:
        target, known_pixels = loading.load(patches, VIEWS[settings.target])
    elif settings.target is not None:
        target, known_pixels = _pictures(patches, settings.target), None
    spectra = spectra_known = None
    if settings.spectrum != "none":
        lines, measured = loading.load(patches, VIEWS[SPECTRUM])
        spectra, spectra_known = lines[:, 0, 0], None if measured is None else measured[:, 0]
    zero = np.zeros(len(pictures))
    position = [patches[name].values if name in patches else zero for name in ("frame", "y", "x")]
    conditions = codec.encode(columns) if columns else np.zeros((len(pictures), 0), np.float32)
    return Data(
        pictures,
        target,
        conditions,
        labels,
        np.stack(position, 1).astype(float),
        apart,
        codec,
        known_pixels,
        spectra,
        spectra_known,
        loading.positive_axis(patches) if settings.power_law else None,
        _direction(patches) if settings.angle_prior == "direction" else None,
        cell_of(patches),
        None if (whole := gaps.whole(patches)).all() else ~whole,
        loading.without_signal(patches) if settings.positive else None,
    )


def cell_of(patches: xr.Dataset) -> list[list[float]] | None:
    """The unit cell of the lattice that patches show, where sites are windows of one: two vectors
    as (x, y) in units of half the patch side."""
    if "cell" not in patches.attrs or "size" not in patches.attrs:
        return None
    half = float(patches.attrs["size"]) / 2
    cell = np.asarray(patches.attrs["cell"], float).reshape(2, 2)
    return [[float(x / half), float(y / half)] for y, x in cell]


def _direction(patches: xr.Dataset) -> np.ndarray:
    """The direction (site,) of each site in rad, float32."""
    if "direction" not in patches:
        raise UserError(
            "the prior of the angle is about the direction of each site, but these have none",
            found="angle_prior: direction",
            expected="sites with a direction, as those of domain walls (`sites: method: walls`)",
            remedy="Set `angle_prior: learned` in the model",
        )
    return np.asarray(patches["direction"].values, np.float32)


def held_out(patches: xr.Dataset, settings: ModelSettings) -> np.ndarray:
    """Which sites (site,) a model with these settings is not trained on.

    Raises
    ------
    UserError : ``settings.held_out`` names a variable that is not there or not known throughout.
    """
    if HELD_OUT in patches and settings.held_out in (None, *WAYS):
        return np.asarray(patches[HELD_OUT].values != 0)
    if settings.held_out:
        return _column(patches, settings.held_out, "held_out", complete=True) != 0
    return np.zeros(patches.sizes["site"], bool)


def _used(labels: np.ndarray, held_out: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Labels (site,) that training uses: at most ``most`` of each class, chosen at random (0: all),
    and none of sites held out; -1 elsewhere."""
    labels = np.where(held_out, -1, labels)
    if not most:
        return labels
    rng = np.random.default_rng(seed)
    used = np.full_like(labels, -1)
    for k in np.unique(labels[labels >= 0]):
        rows = np.flatnonzero(labels == k)
        used[rng.choice(rows, min(most, len(rows)), replace=False)] = k
    return used


def _find(patches: xr.Dataset, name: str) -> xr.DataArray | None:
    for full in (PREFIX + name, name):
        if full in patches.variables:
            return patches[full]
    return None


def _missing(patches: xr.Dataset, name: str, role: str) -> UserError:
    there = [str(n).removeprefix(PREFIX) for n in patches.variables if str(n).startswith(PREFIX)]
    return UserError(
        f"the patches have no variable `{name}`, which the model's `{role}` names",
        found="variables " + ", ".join(there) if there else "patches without further variables",
        remedy=f"Correct `{role}` in the recipe, or add the array `{name}` to the file",
    )


def _column(patches: xr.Dataset, name: str, role: str, complete: bool = False) -> np.ndarray:
    """One number per site."""
    found = _find(patches, name)
    if found is None:
        raise _missing(patches, name, role)
    try:
        values = np.asarray(found.values, dtype=float)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"the variable `{name}` holds no numbers",
            found=f"{found.dtype}, such as {found.values.flat[0]!r}",
            remedy="Number its classes from 0, as `np.unique(…, return_inverse=True)[1]` does",
        ) from error
    if values.ndim != 1:
        raise UserError(
            f"the variable `{name}` is not one number per patch",
            found=f"shape {values.shape}",
            remedy=f"Name another variable in the model's `{role}`",
        )
    if complete and not np.isfinite(values).all():
        raise UserError(
            f"the variable `{name}` is not known for every patch",
            found=f"{int((~np.isfinite(values)).sum())} of {len(values)} are not numbers",
            remedy="Take these patches out, or use it as `labels`, which may be known in part",
        )
    return values


def _condition(name: str, values: np.ndarray) -> dict[str, Any]:
    levels = np.unique(values)
    if len(levels) <= MOST_LEVELS and (levels == np.round(levels)).all():
        return {"name": name, "levels": [float(v) for v in levels]}
    sd = float(values.std())
    return {"name": name, "mean": float(values.mean()), "sd": sd if sd > 0 else 1.0}


def _levels(values: np.ndarray, settings: ModelSettings) -> tuple[float, ...]:
    known = values[np.isfinite(values) & (values >= 0)]
    levels = np.unique(known)
    if not len(levels) or len(levels) > settings.most_classes:
        raise UserError(
            f"the labels `{settings.labels}` do not suit {settings.classes} classes",
            found=f"{len(levels)} different labels of {len(known)} labelled patches",
            expected=f"1 to {settings.classes} different labels, 0 and more; negative or NaN where "
            "the class is not known",
            remedy="Set the model's `classes` to the number of classes there are",
        )
    return tuple(float(v) for v in levels)


def _pictures(patches: xr.Dataset, name: str) -> np.ndarray:
    found = _find(patches, name)
    if found is None:
        raise _missing(patches, name, "target")
    if found.ndim not in (2, 4):
        raise UserError(
            f"the variable `{name}` is neither a picture nor a curve for each patch",
            found="dimensions " + ", ".join(map(str, found.dims)),
            remedy="Name another variable in the model's `target`",
        )
    values = np.ascontiguousarray(found.values, dtype=np.float32)
    # A curve is a picture of height 1.
    return values[:, None, None, :] if values.ndim == 2 else values
