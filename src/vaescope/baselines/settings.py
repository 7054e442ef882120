"""Settings of the part `baselines` of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from vaescope.baselines.methods import METHODS
from vaescope.settings import Settings, setting


@dataclass(frozen=True)
class BaselineSettings(Settings):
    """Settings of `baselines`."""

    PART: ClassVar[str] = "baselines"

    methods: list[str] = setting(
        list(METHODS),
        known=METHODS,
        empty=True,
        default_words="all",
        help="methods to compare with the models; `unmixing` is linear unmixing by N-FINDR, `som` a"
        " self-organising map; `[]` switches the comparison off",
    )
    components: int | Literal["auto"] = setting(
        4,
        limits=(2, 32),
        help="number of components of PCA, NMF and linear unmixing; `auto`: of spectra as many as"
        " exceed their noise, of patches 4",
    )
    view: Literal["auto", "patch", "spectrum"] = setting(
        "auto", help="what the methods see; `auto`: spectra where there are any, else patches"
    )
    corners: Literal["likelihood", "n-findr", "vca"] = setting(
        "likelihood",
        help="end members of spectra: `likelihood`, by maximum likelihood, which no site has to"
        " consist of alone; `n-findr` or `vca`, the spectra of the purest sites",
    )
    shares: Literal["auto", "sum", "free"] = setting(
        "auto",
        help="amounts of end members in a spectrum: `sum`, they add up to 1; `free`, spectra may"
        " also be stronger or weaker as a whole, and shares are those of the signal; `auto`, `free`"
        " if spectra vary in as many dimensions",
    )
    clusters: int | None = setting(
        None,
        limits=(2, 64),
        help="number of clusters of the methods that need it; by default the number of classes of"
        " the recipe's models, or else 4",
    )

    def clusters_for(self, classes: int) -> int:
        """The number of clusters beside models with this many classes, 0 if they have none."""
        return self.clusters or classes or CLUSTERS


CLUSTERS = 4
"""Number of clusters where neither the recipe nor a model of it says how many."""
