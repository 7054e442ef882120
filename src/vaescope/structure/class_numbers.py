"""How many classes there are: one answer, with its reason, for figures, findings and pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from vaescope.train.separate import APART, ENOUGH, FOUND_AGAIN, Separated

_NUMBER = ("class_number",)


def variables(found: Separated) -> dict[str, Any]:
    """The variables of ``latents.zarr``: name -> (dims, values, attributes)."""
    about: dict[str, Any] = {"long_name": "number of classes", "units": "1"}
    about |= {"supported": found.count, "at_least": int(found.more)}
    apart: dict[str, Any] = {"long_name": "gap between the two classes least apart", "units": "1"}
    again: dict[str, Any] = {
        "long_name": "share of the members that find the least stable class",
        "units": "1",
    }
    return {
        "class_number": (_NUMBER, found.number, about),
        "class_number_separation": (_NUMBER, found.separation, apart | {"needed": APART}),
        "class_number_found_again": (
            _NUMBER,
            found.found_again,
            again | {"needed": ENOUGH, "jaccard_from": FOUND_AGAIN},
        ),
    }


def separated_of(latents: xr.Dataset) -> Separated | None:
    """What ``variables`` were made of, read from ``latents.zarr``, where the number of classes
    follows from the data; None elsewhere."""
    if "class_number_separation" not in latents or latents.attrs.get("classes_asked") != "auto":
        return None
    about = latents["class_number"].attrs
    return Separated(
        label=latents["consensus_class"].values.astype(int),
        stability=latents["asked_class_stability"].values,
        number=latents["class_number"].values,
        separation=latents["class_number_separation"].values,
        found_again=latents["class_number_found_again"].values,
        more=bool(about["at_least"]),
    )


@dataclass(frozen=True)
class ClassNumber:
    """How many classes the data support, how many are shown, how many were requested."""

    supported: int
    at_least: bool  # there may be more than could be told apart
    shown: int
    requested: int | None  # None: as many as the data support
    separation: float  # of the two classes least apart, standard deviations; NaN for one class
    needed: float
    found_again: float  # share of the members that find the least stable class

    @classmethod
    def of(cls, latents: xr.Dataset) -> ClassNumber | None:
        """Read it from ``latents.zarr``; None of models without classes, or with named ones."""
        if "class_number_separation" not in latents or "class" not in latents.sizes:
            return None
        about = latents["class_number"].attrs
        supported = int(about["supported"])
        row = int(np.flatnonzero(latents["class_number"].values == supported)[0])
        requested = latents.attrs.get("classes_asked", "auto")
        return cls(
            supported=supported,
            at_least=bool(about["at_least"]),
            shown=int(latents.sizes["class"]),
            requested=None if requested == "auto" else int(requested),
            separation=float(latents["class_number_separation"].values[row]),
            needed=float(latents["class_number_separation"].attrs["needed"]),
            found_again=float(latents["class_number_found_again"].values[row]),
        )

    @property
    def count(self) -> str:
        """The number in words, such as `at least 10 classes`."""
        least = "at least " if self.at_least else ""
        return f"{least}{self.supported} class{'' if self.supported == 1 else 'es'}"

    @property
    def says(self) -> str:
        """The answer in one sentence."""
        said = f"The data support {self.count}"
        if self.requested is None:
            return f"{said}."
        if self.shown == self.supported:
            return f"{said}; {self.requested} were requested."
        return f"{said}; {self.requested} were requested, and {self.shown} are shown."

    @property
    def reason(self) -> str:
        """Why it is this number, in one sentence."""
        if self.supported == 1:
            return "No gap divides the sites in the latents of most members."
        return (
            "The gap between the two classes least apart is"
            f" {self.separation:.1f} standard deviations deep ({self.needed:g} needed), and"
            f" {100 * self.found_again:.0f} % of the members find each class again."
        )
