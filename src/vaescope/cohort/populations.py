"""How often each kind of site occurs in each image of a group, and whether conditions differ.

What is counted are images, or specimens: sites of one image share its specimen, its defects and its
dose, and say little of another image. So intervals and tests follow from the scatter between
images, as Student's t on the logarithm of the odds (delta method), which stays between 0 and 1.
A bootstrap of so few images covers too rarely: of three images in 75 to 85 %, of six in 84 to 93 %,
where 95 % was said (`benchmarks/populations.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from vaescope.cohort.covariates import Covariate

if TYPE_CHECKING:
    import xarray as xr

LEVEL = 0.95
FEWEST = 2  # images, or specimens, of a condition that is compared
_LEAST = (
    0.2  # of the scatter by chance, which the scatter between so few images may fall below by luck
)
_NUMBERS = 3  # different values from which a number has a trend


@dataclass(frozen=True)
class Interval:
    """A share, and the ends of its interval of confidence; NaN where it is not known."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Counts:
    """Sites of every kind in every image: ``count`` (image, kind) and ``sites`` (image,), for the
    kinds that ``model`` finds, ``names`` (kind,)."""

    model: str
    names: tuple[str, ...]
    count: np.ndarray
    sites: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """(image, kind); NaN of an image without sites."""
        return self.count / np.where(self.sites > 0, self.sites, np.nan)[:, None]


def counts(model: str, latents: Sequence[xr.Dataset | None]) -> list[Counts]:
    """Counts of the modes that a model finds, and of its classes, if it has any.

    ``latents`` : Datasets of ``latents.zarr`` of all images; None of an image without sites.
    """
    found = []
    for variable, dimension, first in (
        ("mode", "mode_number", 1),
        ("consensus_class", "class", 0),
    ):
        there = [each for each in latents if each is not None and variable in each]
        if not there:
            continue
        word, kinds = variable.removeprefix("consensus_"), there[0].sizes[dimension]
        rows = []
        for each in latents:
            label = np.zeros(0, int) if each is None else each[variable].values
            rows.append(np.bincount(label[label >= 0].astype(int), minlength=kinds))
        table = np.array(rows)
        names = tuple(f"{word} {number}" for number in range(first, first + kinds))
        found.append(Counts(model, names, table, table.sum(1)))
    return found


def of_image(count: int, sites: int) -> Interval:
    """The share of a kind in one image, as if its sites were independent (E. B. Wilson, J. Am.
    Stat. Assoc. 22 (1927) 209)."""
    from scipy import stats

    if not sites:
        return Interval(np.nan, np.nan, np.nan)
    found = stats.binomtest(int(count), int(sites)).proportion_ci(LEVEL, "wilson")
    return Interval(count / sites, float(found.low), float(found.high))


def of_images(share: np.ndarray, sites: np.ndarray) -> Interval:
    """The mean share of a kind in images like these, from the share and the number of sites of each
    (image,)."""
    from scipy import stats

    mean, error, freedom = _logit(share, sites)
    if freedom < 1:
        return Interval(_expit(mean), np.nan, np.nan)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    return Interval(_expit(mean), _expit(mean - reach), _expit(mean + reach))


def _logit(share: np.ndarray, sites: np.ndarray) -> tuple[float, float, float]:
    """Logarithm of the odds of the mean share, its standard error, and the degrees of freedom."""
    known = np.isfinite(share)
    share, sites = share[known], sites[known]
    if not len(share):
        return np.nan, np.nan, 0
    total = float(sites.sum())
    # Of a kind that no image has, or that all sites are, the odds of half a site.
    mean = float(np.clip(share.mean(), 0.5 / (total + 1), 1 - 0.5 / (total + 1)))
    slope = 1 / (mean * (1 - mean))
    chance = (mean * (1 - mean) / total) ** 0.5
    scatter = float(share.std(ddof=1)) / len(share) ** 0.5 if len(share) > 1 else np.nan
    return float(np.log(mean / (1 - mean))), slope * max(scatter, _LEAST * chance), len(share) - 1


def _expit(value: float) -> float:
    return float(1 / (1 + np.exp(-value)))


@dataclass(frozen=True)
class Comparison:
    """How a kind differs between two levels of a covariate, or how it follows a number.

    ``change`` of the share with its interval ``low`` to ``high``, from the first level to the
    second, or per unit; ``p`` of the test, and ``q``, the rate of false discoveries if this and all
    that are as clear are taken for real (Y. Benjamini & Y. Hochberg, J. R. Stat. Soc. B 57 (1995)
    289).
    """

    model: str
    kind: str
    covariate: str
    levels: tuple[str, str] | None
    change: float
    low: float
    high: float
    p: float
    q: float = np.nan


def compared(
    tables: Sequence[Counts], covariates: Sequence[Covariate], specimen: Sequence[str]
) -> list[Comparison]:
    """Differences between the levels of every covariate, and trends along numbers.

    ``specimen`` : name of the specimen of every image, empty where none is said: images of one
    specimen count as one.
    """
    from scipy import stats

    found: list[Comparison] = []
    for table in tables:
        for covariate in covariates:
            if covariate.numbers is not None and len(covariate.levels) >= _NUMBERS:
                found += _trends(table, covariate, specimen)
            else:
                found += _differences(table, covariate, specimen)
    tested = [k for k, each in enumerate(found) if np.isfinite(each.p)]
    if tested:
        rates = stats.false_discovery_control([found[k].p for k in tested])
        for k, rate in zip(tested, rates, strict=True):
            found[k] = Comparison(**{**vars(found[k]), "q": float(rate)})
    return found


def units(specimen: Sequence[str], among: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values (image,) of the images ``among`` (image,), one for each specimen: the mean of its
    images. Images of which no specimen is said are specimens of their own."""
    names = [name or f"\0{k}" for k, name in enumerate(specimen)]
    by_name: dict[str, list[float]] = {}
    for k in np.flatnonzero(among & np.isfinite(values)):
        by_name.setdefault(names[k], []).append(float(values[k]))
    return np.array([np.mean(each) for each in by_name.values()])


def _differences(table: Counts, covariate: Covariate, specimen: Sequence[str]) -> list[Comparison]:
    from scipy import stats

    cells = np.array(covariate.cells)
    found = []
    for one, other in combinations(covariate.levels, 2):
        for kind, name in enumerate(table.names):
            first, second = (
                units(specimen, cells == level, table.share[:, kind]) for level in (one, other)
            )
            if min(len(first), len(second)) < FEWEST:
                continue
            change = float(second.mean() - first.mean())
            low = high = p = np.nan
            if max(first.std(), second.std()) > 1e-9 * max(first.mean(), second.mean()):
                test = stats.ttest_ind(second, first, equal_var=False)
                interval = test.confidence_interval(LEVEL)
                low, high, p = float(interval.low), float(interval.high), float(test.pvalue)
            found.append(
                Comparison(table.model, name, covariate.name, (one, other), change, low, high, p)
            )
    return found


def _trends(table: Counts, covariate: Covariate, specimen: Sequence[str]) -> list[Comparison]:
    from scipy import stats

    assert covariate.numbers is not None
    known = np.isfinite(covariate.numbers)
    found = []
    for kind, name in enumerate(table.names):
        share = table.share[:, kind]
        among = known & np.isfinite(share)
        place = units(specimen, among, covariate.numbers)
        height = units(specimen, among, share)
        if len(place) <= _NUMBERS or place.std() == 0:
            continue
        fit = stats.linregress(place, height)
        reach = float(stats.t.ppf((1 + LEVEL) / 2, len(place) - 2) * fit.stderr)
        ends = float(fit.slope - reach), float(fit.slope + reach)
        p = float(fit.pvalue) if height.std() > 0 else np.nan
        found.append(
            Comparison(table.model, name, covariate.name, None, float(fit.slope), *ends, p)
        )
    return found


def rows(datasets: Sequence[str], tables: Sequence[Counts]) -> list[dict[str, str | int | float]]:
    """Rows of ``populations.csv``: dataset, model, kind, count, sites, share, low, high."""
    found: list[dict[str, str | int | float]] = []
    for table in tables:
        for image, dataset in enumerate(datasets):
            for kind, name in enumerate(table.names):
                count, sites = int(table.count[image, kind]), int(table.sites[image])
                own = of_image(count, sites)
                found.append(
                    {
                        "dataset": dataset,
                        "model": table.model,
                        "kind": name,
                        "count": count,
                        "sites": sites,
                        "share": own.share,
                        "low": own.low,
                        "high": own.high,
                    }
                )
    return found


def of_conditions(
    tables: Sequence[Counts], covariates: Sequence[Covariate], specimen: Sequence[str]
) -> list[dict[str, str | int | float]]:
    """Mean share of every kind at every level of every covariate, with its interval: rows of
    ``conditions.csv``."""
    found: list[dict[str, str | int | float]] = []
    for table in tables:
        for covariate in covariates:
            cells = np.array(covariate.cells)
            for level in covariate.levels:
                for kind, name in enumerate(table.names):
                    among = cells == level
                    share = units(specimen, among, table.share[:, kind])
                    sites = units(specimen, among, table.sites.astype(float))
                    own = of_images(share, sites[: len(share)])
                    found.append(
                        {
                            "covariate": covariate.name,
                            "level": level,
                            "model": table.model,
                            "kind": name,
                            "images": int(among.sum()),
                            "independent": len(share),
                            "share": own.share,
                            "low": own.low,
                            "high": own.high,
                        }
                    )
    return found
