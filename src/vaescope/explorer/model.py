"""What one model says of every site, as columns: consensus, and each member with a vote."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from vaescope.explorer import column
from vaescope.explorer.column import LONGEST, Column, aligned
from vaescope.figures.accuracy import label_name
from vaescope.figures.quantities import length_scale
from vaescope.figures.scene import Scene
from vaescope.quantities import robust_limits
from vaescope.results import ModelResults
from vaescope.text import plain

LATENTS, POSE, CLASSES = "Latents", "Pose", "Classes and modes"
DISPERSION, CRITICISM = "Dispersion", "How well it is explained"
_DEGREES = float(np.degrees(1))


class ModelColumns:
    """The columns of one model of a scene; ``rows`` (its site,) are places in the table of sites.

    ``members``: the numbers of the members that have a vote and whose own latents are stored.
    """

    def __init__(self, scene: Scene, view: ModelResults, rows: np.ndarray) -> None:
        self.scene, self.view, self.rows = scene, replace(view, frame=None), rows
        self.name, self.look = view.name, scene.look
        self.count = scene.sites.sizes["site"]
        self.kept = self._kept()

    def _kept(self) -> np.ndarray:
        """Indices along ``member`` of those with a vote."""
        latents = self.view.latents
        if "content" not in latents.variables or "member" not in latents.sizes:
            return np.array([], int)
        if "member_kept" in latents.variables:
            return np.flatnonzero(latents["member_kept"].values)
        return np.arange(latents.sizes["member"])

    @property
    def members(self) -> list[int]:
        """Numbers of the members, as their files have them."""
        told = np.atleast_1d(self.view.latents.attrs.get("members_kept", self.kept)).tolist()
        return [int(n) for n in told] if len(told) == len(self.kept) else self.kept.tolist()

    def columns(self) -> list[Column]:
        """All columns of the model, in the order in which they are offered."""
        return [*self._latents(), *self._pose(), *self._classes(), *self._criticism()]

    def _values(self, name: str, *place: int) -> np.ndarray:
        values: np.ndarray = self.view.values(name)[(slice(None), *place)]  # type: ignore[arg-type]
        return aligned(values, self.rows, self.count)

    def _of_members(self, name: str, *place: int) -> list[np.ndarray]:
        """Values of each member with a vote, of a variable (member, site, …)."""
        if name not in self.view.latents.variables:
            return []
        array = self.view.latents[name].transpose("member", "site", ...).values
        return [aligned(array[(k, slice(None), *place)], self.rows, self.count) for k in self.kept]

    def _pair(
        self,
        make: Any,
        name: str,
        place: tuple[int, ...],
        suffix: str,
        label: str,
        group: str,
        **more: Any,
    ) -> list[Column]:
        """A quantity and its dispersion, of the consensus and of each member.

        ``suffix`` tells which part of it, as the tables beside the stores call it.
        """
        held, error = f"consensus_{name}", f"{name}_spread"
        if not self.view.has(held):
            return []
        key, error_key = f"{self.name}/{name}{suffix}", f"{self.name}/{name}_spread{suffix}"
        has_error = self.view.has(error)
        made = make(
            key,
            label,
            group,
            self._values(held, *place),
            header=f"{self.name}.{held}{suffix}",
            error=error_key if has_error else "",
            members=self._of_members(name, *place),
            member_header=f"{name}{suffix}",
            **more,
        )
        if not has_error:
            return [made]
        beside = column.spread(
            error_key,
            f"spread of {label}",
            DISPERSION,
            self._values(error, *place),
            header=f"{self.name}.{error}{suffix}",
            unit=made.unit,
            factor=made.factor,
            cmap=self.look.spread,
            members=self._of_members(f"{name}_sd", *place),
            member_header=f"{name}_sd{suffix}",
        )
        return [made, beside]

    def _latents(self) -> list[Column]:
        if not self.view.has("consensus_content"):
            return []
        found = []
        for k in range(self.view.latents.sizes["latent"]):
            found += self._pair(
                column.number,
                "content",
                (k,),
                f"_{k + 1}",
                f"latent {k + 1}",
                LATENTS,
                cmap=self.look.colormap,
            )
        return found

    def _pose(self) -> list[Column]:
        view, look = self.view, self.look
        found = self._pair(self._angle, "angle", (), "", "angle", POSE)
        if view.has("consensus_offset"):
            reach = robust_limits(np.abs(view.values("consensus_offset")))[1]
            factor, unit = length_scale(self.scene, reach)
            for axis, name, way in ((0, "y", "down"), (1, "x", "right")):
                label = f"{name} offset (+ {way})"
                found += self._pair(
                    column.signed,
                    "offset",
                    (axis,),
                    f"_{name}",
                    label,
                    POSE,
                    factor=factor * float(self.scene.aspect[axis]),
                    unit=unit,
                    cmap=look.diverging,
                )
        if view.has("consensus_strain"):
            for c, name in enumerate(("xx", "yy", "xy")):
                found += self._pair(
                    column.signed,
                    "strain",
                    (c,),
                    f"_{name}",
                    f"strain {name}",
                    POSE,
                    factor=100.0,
                    unit="%",
                    cmap=look.diverging,
                )
        found += self._pair(column.number, "scale", (), "", "scale", POSE, cmap=look.colormap)
        found += self._pair(
            column.signed,
            "shear",
            (),
            "",
            "shear",
            POSE,
            factor=_DEGREES,
            unit="°",
            cmap=look.diverging,
        )
        return found

    def _angle(self, key: str, label: str, group: str, values: np.ndarray, **more: Any) -> Column:
        period = self.view.period
        made = column.angle(key, label, group, values, self.scene, period, **more)
        if self.view.symmetry > 1:
            made.label = f"{label} (mod {period:g}°)"
        return made

    def _classes(self) -> list[Column]:
        view, found = self.view, []
        if view.classes:
            count = view.classes
            found.append(
                column.category(
                    f"{self.name}/class",
                    "class",
                    CLASSES,
                    self._values("consensus_class"),
                    range(count),
                    self.class_names(),
                    header=f"{self.name}.consensus_class",
                    members=[
                        aligned(np.argmax(chances, 1), self.rows, self.count)
                        for chances in self._chances()
                    ],
                    member_header="class",
                )
            )
            if view.has("class_entropy"):
                made = column.spread(
                    f"{self.name}/class_entropy",
                    "class entropy",
                    DISPERSION,
                    self._values("class_entropy"),
                    header=f"{self.name}.class_entropy",
                    unit="nats",
                    cmap=self.look.spread,
                )
                # At least a tenth of the largest possible, so that rounding is not shown as doubt.
                made.high = max(made.high, 0.1 * float(np.log(max(count, 2))))
                found.append(made)
            found += self._probabilities(count)
        if view.has("mode") and view.latents["mode"].dims == ("site",):
            values = self._values("mode")
            count = int(np.nanmax(values, initial=-1)) + 1
            names = [f"mode {k + 1}" for k in range(count)]
            made = column.category(
                f"{self.name}/mode",
                "mode",
                CLASSES,
                values,
                range(count),
                names,
                header=f"{self.name}.mode",
            )
            found.append(made)
        return found

    def class_names(self) -> list[str]:
        """Names of the classes: of those that a model was told, what the data call them."""
        named = self.view.latents.attrs.get("class_labels")
        names = [f"class {k}" for k in range(self.view.classes)]
        for k, label in enumerate(np.atleast_1d(named)[: len(names)] if named is not None else []):
            names[k] = plain(label_name(self.scene, float(label)), LONGEST)
        return names

    def _chances(self) -> list[np.ndarray]:
        """Class probabilities (site, class) of each member with a vote."""
        if "class_probability" not in self.view.latents.variables:
            return []
        array = self.view.latents["class_probability"].transpose("member", "site", "class").values
        return [array[k] for k in self.kept]

    def _probabilities(self, count: int) -> list[Column]:
        name, found = "consensus_class_probability", []
        if not self.view.has(name):
            return []
        for k in range(count):
            made = column.number(
                f"{self.name}/class_probability_{k}",
                f"probability of {self.class_names()[k]}",
                CLASSES,
                self._values(name, k),
                header=f"{self.name}.{name}_{k}",
                cmap=self.look.colormap,
                members=self._of_members("class_probability", k),
                member_header=f"class_probability_{k}",
            )
            made.low, made.high = 0.0, 1.0
            found.append(made)
        return found

    def _criticism(self) -> list[Column]:
        found = []
        for name, label in (
            ("residual", "residual over noise"),
            ("explained", "explained by the model"),
            ("predictive_p", "posterior predictive p-value"),
        ):
            if not self.view.has(name) or self.view.latents[name].dims != ("site",):
                continue
            key, header = f"{self.name}/{name}", f"{self.name}.{name}"
            values = self._values(name)
            make: Any = column.flag if name == "explained" else column.number
            more = {} if name == "explained" else {"cmap": self.look.spread}
            found.append(make(key, label, CRITICISM, values, header=header, **more))
        return found
