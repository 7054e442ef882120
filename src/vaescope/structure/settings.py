"""Settings of the part `movie` of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Literal

from vaescope.settings import Settings, setting


@dataclass(frozen=True)
class MovieSettings(Settings):
    """Settings of `movie`."""

    PART: ClassVar[str] = "movie"
    RENAMED: ClassVar[Mapping[str, str]] = MappingProxyType({"kinds": "categories"})

    categories: Literal["classes", "modes"] = setting(
        "classes",
        help="how atoms are counted over time: by `classes` of a model, or by `modes` (clusters) of"
        " its latent space, which need no number of classes and retain rare ones; a model without"
        " classes always uses modes",
    )
