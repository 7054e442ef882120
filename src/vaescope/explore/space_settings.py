"""Settings of the candidates in a latent space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from vaescope.settings import Settings, setting

Features = Literal["auto", "response", "memories", "latents"]


@dataclass(frozen=True)
class SpaceSettings(Settings):
    """Settings of `explore.space`."""

    PART: ClassVar[str] = "explore.space"

    candidates: int = setting(
        10_000,
        limits=(9, 100_000),
        help="about how many: a grid over one or two latents, Sobol points over more",
    )
    margin: float = setting(
        0.1,
        limits=(0, 10),
        help="by how much they go beyond the encoded range on either side, as a share of it",
    )
    support: Literal["penalise", "refuse", "ignore"] = setting(
        "penalise",
        help="what becomes of candidates that are far from all encoded data, or that are encoded to"
        " another place than they were decoded from: their worth is multiplied by their support"
        " (from 0 to 1), they are never proposed (support below 0.5), or nothing",
    )
    features: Features = setting(
        "auto",
        help="what the model of the objective knows candidates by: the `response` of a lattice"
        " without defects to the field of the decoded curves; fading `memories` of these (their"
        " last value, and how averages over ever longer times before it differ); the `latents`; or"
        " whichever of these and all together predicts values left out best. There is no response"
        " where the objective is a `function`",
    )
    transform: Literal["auto", "none", "log", "yeo-johnson"] = setting(
        "auto",
        help="of the values before they are modelled; by default the one under which values left"
        " out are predicted best",
    )
    trust_region: bool = setting(
        False,
        help="propose only places near the best one, in a region that grows with success, shrinks"
        " with failure, and starts again elsewhere once it is small",
    )
    surface: bool = setting(
        False,
        help="compute the objective of every candidate too, to know how far the search is from the"
        " optimum; the search does not use it",
    )
