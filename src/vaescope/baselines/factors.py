"""Methods that take a patch for a sum of a few pictures: PCA, NMF, linear unmixing."""

from __future__ import annotations

from functools import partial

import numpy as np

from vaescope.baselines import spectral, unmixing
from vaescope.baselines.outcome import MethodResult, by_size, centres
from vaescope.baselines.pixels import Pixels
from vaescope.baselines.rows import in_blocks

_NMF_STEPS = 400


def pca(seen: Pixels) -> MethodResult:
    """Principal components; its labels are k-means on them."""
    place = seen.reduced[:, : seen.components]
    label, _ = centres(place, seen)
    share = seen.explained(lambda some: seen.drawn(place[some]))
    pictures = (
        seen.basis[: place.shape[1]] * seen.scale if seen.spectra else seen.basis[: place.shape[1]]
    )
    return MethodResult(label, place, pictures.copy(), share)


def nmf(seen: Pixels) -> MethodResult:
    """Non-negative matrix factorisation; a site's label is the picture that adds most to it.

    Pixels count from the least value of all patches.

    Source: D. D. Lee and H. S. Seung, Nature 401 (1999) 788.
    """
    if seen.spectra:
        return spectral.nmf(seen)
    from sklearn.decomposition import NMF

    values = seen.block(slice(None))
    least = values.min()
    fitted = values[seen.rows] - least
    count = min(seen.components, *fitted.shape)
    model = NMF(count, init="nndsvda", max_iter=_NMF_STEPS, tol=1e-3, random_state=seen.seed)
    model.fit(fitted)
    amount = in_blocks(lambda some: model.transform(some - least), values)
    pictures = model.components_
    share = seen.explained(partial(_summed, amount, pictures, least))
    # How strong a picture is may be put into it or into its amount: into the amount.
    strength = pictures.sum(1)
    amount = amount * strength
    pictures = pictures / np.where(strength > 0, strength, 1)[:, None]
    # More of a picture than sites usually have: else all sites belong to the common background.
    typical = amount[seen.rows].mean(0)
    label, order = by_size((amount / np.where(typical > 0, typical, 1)).argmax(1), count)
    return MethodResult(label, amount[:, order], pictures[order], share)


def endmembers(seen: Pixels) -> MethodResult:
    """Linear unmixing: patches that are corners of all others, and how much of each is in a site.

    A site's label is the corner of which it has most.
    """
    if seen.spectra:
        return spectral.endmembers(seen)
    count = min(seen.components, seen.reduced.shape[1] + 1, len(seen.rows))
    flat = seen.reduced[:, : count - 1]
    corners = seen.rows[unmixing.n_findr(flat[seen.rows], seen.seed)]
    amount = unmixing.abundances(seen.reduced, seen.reduced[corners])
    label, order = by_size(amount.argmax(1), count)
    pictures = seen.values[corners[order]]
    amount = amount[:, order]
    share = seen.explained(partial(_summed, amount.astype(np.float32), pictures, 0.0))
    return MethodResult(label, amount, pictures, share)


def _summed(amount: np.ndarray, pictures: np.ndarray, least: float, some: slice) -> np.ndarray:
    """Pixels (site, pixel) of some sites as sums of pictures, above the least value."""
    return amount[some] @ pictures + least
