"""Columns of one model: the consensus, and each retained member."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from vaescope import quantities
from vaescope.explorer.column import LONGEST, Column, aligned, columns_of
from vaescope.figures.accuracy import label_name
from vaescope.figures.colours import length_scale, mode_colours
from vaescope.figures.scene import Scene
from vaescope.quantities import Quantity, robust_limits
from vaescope.results import ModelResults
from vaescope.text import plain

DISPERSION = "Dispersion"
_CLASS, _CHANCE = "consensus_class", "consensus_class_probability"


class ModelColumns:
    """The columns of one model of a scene; ``rows`` (its site,) are places in the table of sites.

    ``members``: the numbers of the members that have a vote and whose own latents are stored.
    """

    def __init__(self, scene: Scene, view: ModelResults, rows: np.ndarray) -> None:
        self.scene, self.view, self.rows = scene, replace(view, frame=None), rows
        self.name = view.name
        self.count = scene.sites.sizes["site"]
        self.retained = self._retained()

    def _retained(self) -> np.ndarray:
        """Indices along ``member`` of the retained members."""
        latents = self.view.latents
        if "content" not in latents.variables or "member" not in latents.sizes:
            return np.array([], int)
        if "member_kept" in latents.variables:
            return np.flatnonzero(latents["member_kept"].values)
        return np.arange(latents.sizes["member"])

    @property
    def members(self) -> list[int]:
        """Numbers of the members, as their files have them."""
        numbers = np.atleast_1d(self.view.latents.attrs.get("members_kept", self.retained)).tolist()
        return (
            [int(n) for n in numbers]
            if len(numbers) == len(self.retained)
            else self.retained.tolist()
        )

    def columns(self) -> list[Column]:
        """All columns of the model, each quantity followed by its dispersion."""
        found = [q for q in quantities.of(self.view.latents) if self._is_own(q)]
        made: list[Column] = []
        for quantity in found:
            names = self.class_names() if quantity.name == _CLASS else None
            length = self._length([q for q in found if q.name == quantity.name])
            shown = columns_of(
                [self._shown(quantity)], self.scene, DISPERSION, names=names, length=length
            )
            if quantity.name == "mode":  # a mode that is a class has its colour
                palette = mode_colours(self.scene, self.view)
                shown[0].colours = [palette[int(level)] for level in shown[0].levels]
            for column, suffix in zip(shown, ("", "_sd"), strict=False):
                self._lay_out(column, quantity, suffix)
            made += shown
        return made

    def _is_own(self, quantity: Quantity) -> bool:
        return bool(quantity.owner) and quantity.name not in self.scene.sites.variables

    def _shown(self, quantity: Quantity) -> Quantity:
        if quantity.name != _CHANCE:
            return quantity
        return replace(quantity, label=f"probability of {self.class_names()[int(quantity.part)]}")

    def _length(self, parts: list[Quantity]) -> tuple[float, str]:
        """One unit for all parts of a length, by their size."""
        reach = np.abs(np.concatenate([q.values.astype(float) for q in parts]))
        return length_scale(self.scene, robust_limits(reach)[1])

    def _lay_out(self, column: Column, quantity: Quantity, suffix: str) -> None:
        """Lay a column, and its values by each member, on the table of all sites."""
        column.values = aligned(column.values, self.rows, self.count)
        bare = quantity.name.removeprefix("consensus_")
        own = [member.get((bare + suffix, quantity.part)) for member in self._of_members]
        if not any(one is None for one in own):
            column.members = [
                aligned(one.values, self.rows, self.count) for one in own if one is not None
            ]
            key = f"{quantity.key}{suffix}"
            column.member_header = replace(quantity, owner="", key=key).column

    @cached_property
    def _of_members(self) -> list[dict[tuple[str, str], Quantity]]:
        """Quantities of each retained member, by variable and part."""
        latents = self.view.latents
        names = [
            n for n, values in latents.data_vars.items() if {"member", "site"} <= set(values.dims)
        ]
        found = []
        for k in self.retained:
            said = {(q.name, q.part): q for q in quantities.of(latents[names].isel(member=k))}
            if "class_probability" in names:
                chances = latents["class_probability"].isel(member=k).transpose("site", "class")
                shares = said["class_probability", "0"]
                label = np.argmax(chances.values, 1)
                said["class", ""] = replace(shares, name="class", part="", values=label)
            found.append(said)
        return found

    def class_names(self) -> list[str]:
        """Names of the classes; those given to a model as labels have the names of the data."""
        named = self.view.latents.attrs.get("class_labels")
        names = [f"class {k}" for k in range(self.view.classes)]
        for k, label in enumerate(np.atleast_1d(named)[: len(names)] if named is not None else []):
            names[k] = plain(label_name(self.scene, float(label)), LONGEST)
        return names
