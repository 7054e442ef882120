"""Score how well a model restores pictures, beside simple methods.

Every classical method has one number to choose; it is chosen on patches that the model was trained
on, and all are scored on the patches held out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vaescope.results.facts import Measure
from vaescope.train.data import Data

CHOSEN_ON = 60  # patches on which a method's number is chosen
SCORED = 300  # held-out patches that are scored
_NEAREST = 3  # patches whose colours are averaged

Method = Callable[[np.ndarray, float], np.ndarray]


_WAYS = {
    "model": "restored by the model",
    "input": "as recorded",
    "gaussian": "Gaussian filter",
    "nl_means": "non-local means",
    "total_variation": "total variation",
    "linear": "linear regression",
    "polynomial": "colour by a cubic of gray",
    "neighbours": "colour of the nearest patches",
}
MEASURES = (
    *(Measure(f"{way}_psnr", f"{words}, PSNR", "dB", "more") for way, words in _WAYS.items()),
    *(Measure(f"{way}_ssim", f"{words}, SSIM", "", "more") for way, words in _WAYS.items()),
    Measure("restored_patches", "restored patches scored"),
    Measure("restored_held_out", "patches held out from training"),
)
"""Of restored patches."""


def score(data: Data, reconstruction: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
    """Peak signal-to-noise ratio (dB) and structural similarity of restored patches.

    Parameters
    ----------
    data : patches, targets and which are held out; all are scored if none is.
    reconstruction : (site, channel, height, width), what the model made.
    mask : (height, width), the pixels that count: those that a turned patch keeps.

    Returns
    -------
    ``NAME_psnr`` and ``NAME_ssim`` for ``model`` and for ``linear``; for ``input`` and the
    classical methods where target and patch have the same channels, for ``polynomial`` and
    ``neighbours`` where they do not; ``restored_patches`` scored, and ``restored_held_out``,
    whether they were held out.
    """
    held = np.flatnonzero(data.held_out)
    seen = np.flatnonzero(~data.held_out)
    judged = held if len(held) else seen
    judged = judged[np.linspace(0, len(judged) - 1, min(SCORED, len(judged))).astype(int)]
    training = seen[np.linspace(0, len(seen) - 1, min(CHOSEN_ON, len(seen))).astype(int)]
    span = float(np.ptp(data.target[seen])) or 1.0
    truth = data.target[judged]
    out: dict[str, Any] = {
        "restored_patches": len(judged),
        "restored_held_out": bool(len(held)),
    }

    def note(name: str, made: np.ndarray) -> None:
        out[f"{name}_psnr"], out[f"{name}_ssim"] = similarity(made, truth, span, mask)

    note("model", reconstruction[judged])
    if data.patches.shape[1:] == data.target.shape[1:]:
        note("input", data.patches[judged])
        for name, (method, numbers) in CLASSICAL.items():
            best = _chosen(method, numbers, data, training, span, mask)
            note(name, each(method, data.patches[judged], best, span))
    note("linear", linear(data, seen, judged))
    if data.patches.shape[1] != data.target.shape[1] and (
        data.patches.shape[2:] == data.target.shape[2:]
    ):
        note("polynomial", polynomial(data, seen, judged))
        note("neighbours", neighbours(data, seen, judged))
    return out


def _chosen(
    method: Method,
    numbers: tuple[float, ...],
    data: Data,
    training: np.ndarray,
    span: float,
    mask: np.ndarray,
) -> float:
    """Choose the parameter with which a method restores the training patches best."""
    patches, target = data.patches[training], data.target[training]
    scores = [similarity(each(method, patches, n, span), target, span, mask)[0] for n in numbers]
    return numbers[int(np.argmax(scores))]


def similarity(
    made: np.ndarray, truth: np.ndarray, span: float, mask: np.ndarray
) -> tuple[float, float]:
    """Mean PSNR (dB) and mean SSIM of pictures (n, channel, height, width) of range ``span``, over
    the pixels of the mask (height, width)."""
    from skimage.metrics import structural_similarity

    inside = mask > 0
    error = ((made - truth) ** 2)[..., inside].mean(axis=(1, 2))
    psnr = 10 * np.log10(span**2 / np.maximum(error, 1e-12 * span**2))
    window = min(7, truth.shape[-1] - 1 + truth.shape[-1] % 2, truth.shape[-2])
    if window < 3:
        return float(psnr.mean()), float("nan")
    window -= 1 - window % 2
    ssim = []
    for a, b in zip(made.astype(float), truth.astype(float), strict=True):
        _, local = structural_similarity(
            a, b, data_range=span, win_size=window, channel_axis=0, full=True
        )
        ssim.append(local[..., inside].mean())
    return float(psnr.mean()), float(np.mean(ssim))


def each(method: Method, pictures: np.ndarray, number: float, span: float) -> np.ndarray:
    """A method on every channel of every picture, scaled to the range 1."""
    return np.stack(
        [np.stack([method(plane / span, number) * span for plane in one]) for one in pictures]
    )


def _gaussian(plane: np.ndarray, sigma: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(plane, sigma)


def _nl_means(plane: np.ndarray, strength: float) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    return denoise_nl_means(plane, patch_size=5, patch_distance=9, h=strength, fast_mode=True)


def _total_variation(plane: np.ndarray, weight: float) -> np.ndarray:
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(plane, weight=weight)


CLASSICAL: dict[str, tuple[Method, tuple[float, ...]]] = {
    "gaussian": (_gaussian, (0.5, 0.8, 1.1, 1.5, 2.0, 2.6)),
    "nl_means": (_nl_means, (0.05, 0.1, 0.15, 0.22, 0.32, 0.45)),
    "total_variation": (_total_variation, (0.03, 0.06, 0.1, 0.16, 0.25, 0.4)),
}
"""name -> the method, and the numbers from which one is chosen."""


def linear(data: Data, training: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """The target as a linear function of all pixels, by ridge regression whose strength is chosen
    in leave-one-out cross-validation."""
    from sklearn.linear_model import RidgeCV

    rows = [data.patches[which].reshape(len(which), -1) for which in (training, judged)]
    model = RidgeCV(alphas=np.logspace(-4, 4, 9))
    model.fit(rows[0], data.target[training].reshape(len(training), -1))
    return model.predict(rows[1]).reshape(len(judged), *data.target.shape[1:])


def polynomial(data: Data, training: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Every target channel as a cubic of the gray value of the same pixel."""
    gray, target = data.patches[training][:, 0], data.target[training]
    powers = np.stack([gray.ravel() ** k for k in range(4)], axis=1)
    flat = np.moveaxis(target, 1, -1).reshape(-1, target.shape[1])
    weight, *_ = np.linalg.lstsq(powers, flat, rcond=None)
    seen = data.patches[judged][:, 0]
    made = np.stack([seen.ravel() ** k for k in range(4)], axis=1) @ weight
    return np.moveaxis(made.reshape(*seen.shape, -1), -1, 1)


def neighbours(data: Data, training: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Average the targets of the most similar training patches."""
    from sklearn.neighbors import KNeighborsRegressor

    model = KNeighborsRegressor(_NEAREST)
    model.fit(data.patches[training].reshape(len(training), -1), training)
    near = model.kneighbors(data.patches[judged].reshape(len(judged), -1), return_distance=False)
    return data.target[training][near].mean(1)
