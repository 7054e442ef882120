"""The kinds of structure that a model found: its modes, counted, named by their number, with what
the members say of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from vaescope.text import percent
from vaescope.traits import traits_of

FOUND_AGAIN = 0.6
"""Jaccard similarity from which on the members find a mode again, as for classes."""
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class NamedMode:
    """One mode: its ``number`` from 1, how many sites, which ``share`` of all; ``stability``, the
    mean Jaccard similarity with what each member puts there; ``intensity`` of its columns over
    that of mode 1, NaN where it is not known; whether only this sets it apart from another one."""

    number: int
    count: int
    share: float
    stability: float
    intensity: float
    by_intensity: bool

    @property
    def sure(self) -> bool:
        """Whether the members find it again."""
        return self.stability >= FOUND_AGAIN


def of(latents: xr.Dataset) -> list[NamedMode]:
    """The modes of ``latents.zarr``, most frequent first; none of a model without any."""
    if "mode" not in latents or "mode_stability" not in latents:
        return []
    mode = latents["mode"].values.astype(int)
    number = latents.sizes["mode_number"]
    count = np.bincount(mode[mode >= 0], minlength=number)
    stability, intensity = (latents[f"mode_{name}"].values for name in ("stability", "intensity"))
    parent = latents["mode_parent"].values
    shared = np.bincount(parent, minlength=len(parent)) > 1
    return [
        NamedMode(
            number=k + 1,
            count=int(count[k]),
            share=float(count[k] / max(len(mode), 1)),
            stability=float(stability[k]),
            intensity=float(intensity[k]),
            by_intensity=bool(shared[parent[k]]),
        )
        for k in range(number)
    ]


def answering(latents: Mapping[str, xr.Dataset]) -> str | None:
    """The model whose modes answer: the first without classes, else the first of all that has
    modes of sites with a place; None without such a model."""
    placed = [name for name, own in latents.items() if traits_of(own.attrs).placed]
    having = [name for name in placed if of(latents[name])]
    return next(
        (n for n in having if "consensus_class" not in latents[n]), next(iter(having), None)
    )


def sentence(found: list[NamedMode], noun: str = "site") -> str:
    """What kinds there are, in a sentence or two, such as `There are two kinds of site: mode 1 with
    931 (95 %) and mode 2 with 49 (5 %).`; ``noun`` is in the singular."""
    sure = [kind for kind in found if kind.sure] or found[:1]
    if not sure:
        return ""
    listed = [f"mode {kind.number} with {kind.count} ({percent(kind.share)})" for kind in sure]
    words = listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"
    if len(sure) == 1:
        said = f"There is one kind of {noun}: {words}. What varies within it, varies continuously."
    else:
        number = _NUMBERS[len(sure)] if len(sure) < len(_NUMBERS) else str(len(sure))
        said = f"There are {number} kinds of {noun}: {words}."
    doubtful = [kind for kind in found if kind not in sure]
    if doubtful:
        sites = sum(kind.count for kind in doubtful)
        which = "One more mode" if len(doubtful) == 1 else f"{len(doubtful)} more modes"
        said += (
            f" {which} ({sites} {noun}s) {'is' if len(doubtful) == 1 else 'are'} in doubt: the"
            " members of the ensemble do not find the same ones."
        )
    return said.replace(" %", "\N{NO-BREAK SPACE}%")
