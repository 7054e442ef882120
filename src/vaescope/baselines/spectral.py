"""NMF and linear unmixing of spectra."""

from __future__ import annotations

import numpy as np

from vaescope.baselines import mixture, subspace
from vaescope.baselines.outcome import MethodResult, by_size
from vaescope.baselines.pixels import Pixels
from vaescope.baselines.rows import blocks

_NMF_STEPS = 400
_SITE_STEPS = 200  # of the amounts of a site, with components held


def nmf(seen: Pixels) -> MethodResult:
    """Non-negative matrix factorisation of spectra whose noise was made alike in all channels.

    Components are fitted to the spectra of some sites, amounts to all of them. Negative values,
    such as noise about 0, are left out as far as the components cannot follow them. Components have
    a sum of 1 over all channels; a site's label is the component of which it has most, compared
    with other sites.

    Sources: D. D. Lee and H. S. Seung, Nature 401 (1999) 788; P. G. Kotula, M. R. Keenan and J. R.
    Michael, Microsc. Microanal. 9 (2003) 1.
    """
    from sklearn.decomposition import NMF

    fitted = np.maximum(seen.fitted / seen.scale, 0)
    count = min(seen.components, *fitted.shape)
    model = NMF(count, init="nndsvda", max_iter=_NMF_STEPS, tol=1e-4, random_state=seen.seed)
    model.fit(fitted)
    parts = model.components_.astype(np.float32)
    amount = np.concatenate(
        [_amounts(seen.block(some) / seen.scale, parts) for some in blocks(len(seen))]
    )
    parts = parts * np.asarray(seen.scale, np.float32)
    strength = parts.sum(1)
    strength = np.where(strength > 0, strength, 1)
    amount, parts = amount * strength, parts / strength[:, None]
    typical = amount[seen.rows].mean(0)
    label, order = by_size((amount / np.where(typical > 0, typical, 1)).argmax(1), count)
    return _result(seen, label, amount[:, order], parts[order])


def _amounts(data: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Amounts (site, component) that are not negative, by coordinate descent on all sites at once.

    Source: A. Cichocki and A.-H. Phan, IEICE Trans. E92-A (2009) 708.
    """
    square, product = (parts @ parts.T).astype(float), (data @ parts.T).astype(float)
    amount = np.maximum(product @ np.linalg.pinv(square), 0)
    for _ in range(_SITE_STEPS):
        before = amount.copy()
        for k in range(len(parts)):
            if square[k, k] > 0:
                step = (product[:, k] - amount @ square[:, k]) / square[k, k]
                amount[:, k] = np.maximum(amount[:, k] + step, 0)
        if np.abs(amount - before).max() <= 1e-6 * max(amount.max(), 1e-30):
            break
    return amount


def endmembers(seen: Pixels) -> MethodResult:
    """Linear unmixing (``mixture.unmix``): the embedding is the share of every end member.

    Where amounts are free, shares still add up to 1: they are of the signal of a site.
    """
    sites, channels = seen.values.shape
    found = mixture.unmix(
        seen.block,
        sites,
        channels,
        min(seen.components, sites - 1, channels),
        around=seen.directions,
        counts=seen.counts,
        free={"auto": None, "free": True, "sum": False}[seen.shares],
        method=seen.corners,
        seed=seen.seed,
    )
    label, order = by_size(found.shares.argmax(1), found.shares.shape[1])
    made = _result(
        seen, label, found.shares[:, order] * found.amount[:, None], found.spectra[order]
    )
    made.embedding, made.errors = found.shares[:, order], found.errors[:, order]
    if found.free and seen.shares == "auto":
        made.note = "the amount of a site is free: spectra differ in strength as well"
    return made


def _result(seen: Pixels, label: np.ndarray, amount: np.ndarray, parts: np.ndarray) -> MethodResult:
    """Result of spectra as sums of parts (component, channel), with what they leave."""
    amount, parts = amount.astype(np.float32), parts.astype(np.float32)
    left = np.zeros(len(seen))
    total = apart = 0.0
    for some in blocks(len(seen)):  # once: spectra may be on disk
        values, drawn = seen.block(some), amount[some] @ parts
        squared = (values - drawn) ** 2
        apart += float(squared.sum(dtype=np.float64))
        total += float(((values - seen.average) ** 2).sum(dtype=np.float64))
        if seen.counts:
            least = np.float32(subspace.LEAST_MODEL) * np.asarray(seen.scale) ** 2
            left[some] = (squared / np.maximum(drawn, least)).mean(1)
        else:
            left[some] = squared.mean(1)
    if not seen.counts:
        left /= max(float(np.median(left)), 1e-30)
    share = 1 - apart / total if total > 0 else 0.0
    return MethodResult(label, amount, parts, share, residual=np.sqrt(left))
