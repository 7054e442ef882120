"""What is known of an image before sites are sought in it: lengths, polarity, background."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.sites import background, noisy, polarity, scale
from vaescope.sites.background import Background
from vaescope.sites.polarity import Polarity
from vaescope.sites.scale import Scale

if TYPE_CHECKING:
    from vaescope.sites.learned.detector import Detector
    from vaescope.sites.settings import Atoms


@dataclass(frozen=True)
class Overview:
    """Lengths, polarity and background of an image, by ``parts`` (height, width) of its frames;
    ``usual`` : median of the pixels, and ``spread`` : their standard deviation. ``drowned`` : of a
    crystal whose columns drown in noise, the height of one over it; 0 of another image."""

    parts: list[np.ndarray]
    lengths: Scale
    polarity: Polarity
    background: Background
    usual: float
    spread: float
    drowned: float = 0.0

    def prepared(self, frames: list[da.Array]) -> list[da.Array]:
        """Frames (height, width) in which columns are bright and nothing is missing."""
        # Missing pixels look like the usual background: no filter can bear a NaN.
        whole = [da.where(da.isfinite(frame), frame, self.usual) for frame in frames]
        return [self.polarity.sign * self.background.from_frame(frame) for frame in whole]


def of(
    frames: list[da.Array],
    settings: Atoms,
    threads: int,
    detector: Detector | None = None,
    measured: list[da.Array] | None = None,
) -> Overview:
    """Look over an image.

    Parameters
    ----------
    frames : (height, width) each. measured : bool of the same shapes; None: all pixels were.

    Raises
    ------
    UserError : an image that is constant, or too small.
    """
    parts, known, usual = _parts(frames, measured)
    guess = scale.estimate(parts, threads)
    if detector is None and settings.method == "log" and settings.threshold is None:
        # Whether columns are dark is not to be seen where they drown.
        which = Polarity("dark" if settings.polarity == "dark" else "bright", 0.0)
        bright = [which.sign * part for part in parts]
        weak = noisy.crystal(bright, guess.outlier, settings.spacing)
        if weak is not None:
            spread = float(np.std(np.concatenate([part.ravel() for part in parts])))
            lengths = _as_given(weak.lengths, settings)
            return Overview(parts, lengths, which, Background(), usual, spread, weak.ratio)
    lengths = _as_given(guess, settings)
    ground = background.judge(parts, known, lengths)
    if ground.window:
        flat, ground, guess = background.without(parts, ground, lengths.spacing)
        return _chosen(parts, flat, _as_given(guess, settings), ground, usual, settings, detector)
    return _chosen(parts, parts, lengths, ground, usual, settings, detector)


def hidden_crystals(seen: Overview, settings: Atoms) -> Iterator[Overview]:
    """Crystals that may lie under the background of an image whose sites are in no order."""
    for flat, ground, guess in background.hidden(seen.parts, seen.lengths):
        lengths = _as_given(guess, settings)
        yield _chosen(seen.parts, flat, lengths, ground, seen.usual, settings, None)


def _chosen(
    parts: list[np.ndarray],
    flat: list[np.ndarray],
    lengths: Scale,
    ground: Background,
    usual: float,
    settings: Atoms,
    detector: Detector | None,
) -> Overview:
    """The overview of an image by its parts, and by these without their background."""
    if settings.polarity == "auto":
        which = polarity.choose(flat, lengths)
    else:
        which = Polarity(settings.polarity)
    if detector is not None:
        bright = [which.sign * part for part in flat]
        lengths = _for_detector(lengths, bright, settings, detector)
    spread = float(np.std(np.concatenate([part.ravel() for part in flat])))
    return Overview(parts, lengths, which, ground, usual, spread)


def _parts(
    frames: list[da.Array], measured: list[da.Array] | None
) -> tuple[list[np.ndarray], list[np.ndarray] | None, float]:
    """The parts of the first, middle and last frame from which lengths are estimated, which of
    their pixels were measured, and their median, which stands for those that are missing."""
    height, breadth = frames[0].shape
    if min(height, breadth) < scale.SMALLEST:
        raise UserError(
            "the image is too small to find sites in it",
            found=f"{height} × {breadth} px",
            expected=f"at least {scale.SMALLEST} × {scale.SMALLEST} px",
        )
    used = sorted({0, len(frames) // 2, len(frames) - 1})
    places = [(k, part) for k in used for part in scale.crops(height, breadth)]
    parts = [np.asarray(frames[k][part], float) for k, part in places]
    finite = [part[np.isfinite(part)] for part in parts]
    usual = float(np.median(np.concatenate(finite))) if any(map(len, finite)) else 0.0
    parts = [np.where(np.isfinite(part), part, usual) for part in parts]
    varied = [k for k, part in enumerate(parts) if np.ptp(part) > 0]
    known = None
    if measured is not None:
        known = [np.asarray(measured[places[k][0]][places[k][1]], bool) for k in varied]
    parts = [parts[k] for k in varied]
    if not parts:
        raise UserError(
            "the image is constant", found="one value in all pixels", expected="a picture of atoms"
        )
    return parts, known, usual


def _as_given(guess: Scale, settings: Atoms) -> Scale:
    """Take spacing and width from the recipe, or else as estimated from the image."""
    if settings.spacing is not None:
        spacing = float(settings.spacing)
        likely = float(np.clip(guess.width, spacing / 10, spacing / 3))
        guess = replace(guess, spacing=spacing, width=likely, periodic=True)
    if settings.width is not None:
        guess = replace(guess, width=float(settings.width))
    return guess


def _for_detector(
    lengths: Scale, parts: list[np.ndarray], settings: Atoms, detector: Detector
) -> Scale:
    """The lengths by which a detector scales the image, whose atoms are bright in its parts."""
    from vaescope.sites.learned.detector import rescale

    if settings.spacing is not None:
        return lengths
    if settings.width is None:
        return rescale(detector, parts[len(parts) // 2], lengths)
    if lengths.periodic and detector.ordered:
        return lengths
    return replace(lengths, spacing=4.0 * settings.width, periodic=False)
