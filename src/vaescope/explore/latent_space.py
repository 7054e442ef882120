"""The latent space of a trained model as candidates: places, and what they decode to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UserError
from vaescope.explore import support

if TYPE_CHECKING:
    from vaescope.ensemble.members import Member
    from vaescope.results import Results
    from vaescope.train.data import Data

PREFIX = "truth_"
_MOST_KNOWN = 4000
"""Sites from which it is learned how far data come back from where they were encoded."""


@dataclass(frozen=True)
class LatentSpace:
    """Candidates in a latent space.

    ``places`` (n, latent), on the axes of the latent maps; ``curves`` (n, channel) that they decode
    to; ``axis`` (channel,) of these, and ``axis_is`` its name and unit; ``support`` of the
    candidates; ``generators`` (m, number) what is known to generate the data, by which ``theirs``
    (m, channel), the data as the model decodes them, are found, ``generated_by`` their names.
    """

    places: np.ndarray
    curves: np.ndarray
    axis: np.ndarray
    support: support.Support
    generators: np.ndarray
    theirs: np.ndarray
    generated_by: tuple[str, ...]
    axis_is: tuple[str, str] = ("axis of the curves", "1")

    @property
    def names(self) -> list[str]:
        """Of the axes."""
        return [f"latent {k + 1}" for k in range(self.places.shape[1])]


@dataclass(frozen=True)
class LatentAxes:
    """The axes of the latent maps, in the latent space of the member that draws their pictures.

    ``axes`` (latent, latent), a rotation; ``centre`` (latent,), where they cross.
    """

    axes: np.ndarray
    centre: np.ndarray

    @classmethod
    def of(cls, content: np.ndarray, seen: np.ndarray) -> LatentAxes:
        """The axes by the member's content of all sites as it is and on the axes, both (site,
        latent)."""
        from scipy.linalg import orthogonal_procrustes

        centre = content.mean(0)
        return cls(orthogonal_procrustes(content - centre, seen - seen.mean(0))[0], centre)

    def seen(self, content: np.ndarray) -> np.ndarray:
        """Content (n, latent) of the member on these axes."""
        return (content - self.centre) @ self.axes

    def own(self, places: np.ndarray) -> np.ndarray:
        """Places (n, latent) on these axes as content of the member."""
        return places @ self.axes.T + self.centre


def of_model(
    results: Results, model: str, members: Path, *, candidates: int, margin: float, seed: int
) -> LatentSpace:
    """Candidates in the latent space of an ensemble: that of the reference member, by which the
    decoded pictures of the report are drawn, too.

    Parameters
    ----------
    model : its name. members : folder of the trained members. candidates : about how many: on a
        grid over two latents at most, else Sobol points. margin : by how much they go beyond the
        encoded range on either side, as a share of it.

    Raises
    ------
    UserError : the data encode to one place alone.
    """
    from vaescope.ensemble.encode import decode
    from vaescope.ensemble.members import load_members
    from vaescope.train.data import gather

    latents = results.latents(model)
    number = int(latents.attrs["reference_member"])
    member = next(member for member in load_members(members) if member.number == number)
    samples = results.patches
    data = gather(samples, member.settings, member.codec)
    content = _encoded(member, data)
    frame = LatentAxes.of(content, np.asarray(latents["content"].sel(member=number).values, float))
    encoded = frame.seen(content)
    places = places_of(encoded, candidates, margin, seed)

    def drawn(content: np.ndarray) -> np.ndarray:
        return decode(member, content)[:, 0, 0]

    def back(curves: np.ndarray) -> np.ndarray:
        return frame.seen(_encoded(member, _as_data(data, curves)))

    curves = drawn(frame.own(places))
    some = np.unique(np.linspace(0, len(encoded) - 1, _MOST_KNOWN).astype(int))
    real = support.of_places(places, back(curves), encoded[some], back(drawn(content[some])))
    known = {
        str(name).removeprefix(PREFIX): np.asarray(samples[name].values, float)
        for name in samples.data_vars
        if str(name).startswith(PREFIX) and samples[name].dims == ("site",)
    }
    known = {n: v for n, v in known.items() if n != "wrong" and np.isfinite(v).any()}
    whole = np.ones(len(encoded), bool)
    for values in known.values():
        whole &= np.isfinite(values)
    known = {name: v for name, v in known.items() if whole.any() and np.ptp(v[whole]) > 0}
    rows = np.flatnonzero(whole) if known else np.zeros(0, int)
    if len(rows) > candidates:
        rows = np.sort(np.random.default_rng(seed).choice(rows, candidates, replace=False))
    about = samples["energy"].attrs
    return LatentSpace(
        places,
        curves,
        np.asarray(samples["energy"].values, float),
        real,
        np.stack([v[rows] for v in known.values()], 1) if known else np.zeros((0, 0)),
        drawn(content[rows]) if len(rows) else curves[:0],
        tuple(known),
        (str(about.get("long_name") or "axis of the curves"), str(about.get("units") or "1")),
    )


def _encoded(member: Member, data: Data) -> np.ndarray:
    from vaescope.ensemble.encode import encode

    return np.asarray(encode(member, data).content[:], float)


def _as_data(data: Data, curves: np.ndarray) -> Data:
    """Curves (n, channel) as data of a model, under average conditions."""
    rows = data.rows(np.zeros(len(curves), int))
    signals = np.ascontiguousarray(curves[:, None, None], np.float32)
    return replace(
        rows,
        patches=signals,
        target=signals,
        conditions=np.zeros_like(rows.conditions),
        known=None,
    )


def places_of(encoded: np.ndarray, candidates: int, margin: float, seed: int) -> np.ndarray:
    """Places (about ``candidates``, latent) over the range of encoded data (m, latent) and beyond.

    Raises
    ------
    UserError : all data are encoded to the same value of a latent.
    """
    low, high = encoded.min(0), encoded.max(0)
    if not (high > low).all():
        raise UserError(
            "a latent is the same for all data: there is nothing to search",
            found=f"latent {int(np.argmin(high - low)) + 1} at {low[np.argmin(high - low)]:g}",
            remedy="Train the model with fewer latents, or longer",
        )
    low, high = low - margin * (high - low), high + margin * (high - low)
    latents = encoded.shape[1]
    if latents > 2:
        from scipy.stats import qmc

        power = max(round(np.log2(candidates)), 1)
        drawn = qmc.Sobol(latents, seed=np.random.default_rng(seed)).random_base2(power)
        return low + drawn * (high - low)
    side = max(round(candidates ** (1 / latents)), 2)
    axes = [np.linspace(a, b, side) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, latents)
