"""Model criticism: does the model explain what it was shown, and where does it not?"""

from __future__ import annotations

import numpy as np

CLEAR = 5.0  # robust standard deviations of the residual above which a site is not explained


def reduced_residual(
    patches: np.ndarray, reconstruction: np.ndarray, sigma: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Mean squared residual of each site in units of the model's own noise.

    patches, reconstruction (site, channel, side, side), sigma (channel,), mask (side, side)
    -> (site,); about 1 where the model explains the patch down to the noise.
    """
    squares = ((patches - reconstruction) ** 2 * mask).sum((2, 3)) / mask.sum()
    return (squares / sigma**2).mean(1)


def explained(residual: np.ndarray) -> np.ndarray:
    """Sites whose residual does not stand out: (site,) -> (site,) bool.

    The residual's logarithm is compared with its own median and median absolute deviation, so that
    the verdict does not depend on the noise being white.
    """
    value = np.log(np.maximum(residual, 1e-12))
    median = np.median(value)
    spread = 1.4826 * np.median(np.abs(value - median))
    return np.asarray(value <= median + CLEAR * max(spread, 0.02))


def predictive_p_value(
    patches: np.ndarray,
    reconstruction: np.ndarray,
    sigma: np.ndarray,
    mask: np.ndarray,
    seed: int,
    draws: int = 200,
) -> np.ndarray:
    """Posterior predictive p-value of the structure left in the residual of every site.

    The statistic is the correlation of neighbouring residual pixels (Moran's I), zero for a model
    that misses nothing; replicates are patches of pure noise. Small values: the residual still
    shows structure (or the detector's noise is correlated).

    Source: Gelman, Meng & Stern, Statistica Sinica 6 (1996) 733.
    """
    noise = (patches - reconstruction) / sigma[:, None, None] * mask
    observed = _neighbour_correlation(noise, mask)
    random = np.random.default_rng(seed)
    shape = (draws, *patches.shape[1:])
    replicate = _neighbour_correlation(random.standard_normal(shape) * mask, mask)
    return (1 + (replicate[None, :] >= observed[:, None]).sum(1)) / (1 + draws)


def _neighbour_correlation(noise: np.ndarray, mask: np.ndarray) -> np.ndarray:
    pairs = (noise[..., 1:] * noise[..., :-1]).sum((1, 2, 3))
    pairs = pairs + (noise[:, :, 1:] * noise[:, :, :-1]).sum((1, 2, 3))
    return pairs / np.maximum((noise**2).sum((1, 2, 3)), 1e-12)


def warnings_in_words(
    *,
    kept: np.ndarray,
    content: np.ndarray,
    agreement: np.ndarray,
    class_count: np.ndarray | None,
    explained_fraction: float,
) -> list[str]:
    """What a careful reader should know, in plain words.

    kept (member,) bool; content (site, latent) consensus; agreement (member,) share of the content
    explained by the reference; class_count (class,) sites per class or None.
    """
    said = []
    if not kept.all():
        out = ", ".join(str(k) for k in np.flatnonzero(~kept))
        said.append(
            f"Member(s) {out} ended with a clearly worse bound than the others and were left out."
        )
    for k, spread in enumerate(content.std(0)):
        if spread < 0.1:
            said.append(f"Latent {k + 1} is collapsed: the sites hardly differ in it.")
    weak = float(np.median(agreement[kept])) if kept.any() else 0.0
    if weak < 0.7:
        said.append(
            "The members disagree about the latents (median agreement "
            f"{weak:.2f} of 1): read the latent maps with their spread."
        )
    if class_count is not None:
        empty = np.flatnonzero(class_count < max(0.005 * class_count.sum(), 1))
        if len(empty):
            names = ", ".join(str(k + 1) for k in empty)
            said.append(f"Class {names} is (nearly) empty: fewer classes may be enough.")
    if explained_fraction < 0.95:
        share = 100 * (1 - explained_fraction)
        said.append(f"{share:.1f} % of the sites are not explained by the model; they are marked.")
    return said
