"""What goes wrong in a specimen, a microscope or a file, laid on simulated images with known truth.

Each fault changes a ``Specimen`` at three strengths.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy import ndimage
from specimens import Case, Map, Specimen, made

AVERAGED = 16  # exposures, where averaging is advised


def _linear(matrix: np.ndarray, size: int) -> Map:
    """A linear map of positions about the middle of the image."""
    middle = (size - 1) / 2
    return lambda position: (position - middle) @ matrix.T + middle


def none(s: Specimen, _: float) -> None:
    """Nothing is wrong."""


def drift(s: Specimen, pixels: float) -> None:
    """The specimen drifts steadily by so many pixels while the frame is scanned."""
    turn = s.rng.uniform(0, 2 * np.pi)
    rate = pixels / s.size
    shear = np.array([[1 + rate * np.sin(turn), 0], [rate * np.cos(turn), 1]])
    s.warp.append(_linear(shear, s.size))


def shear(s: Specimen, share: float) -> None:
    """The axes of the scan are not at right angles."""
    s.warp.append(_linear(np.array([[1, 0], [share, 1.0]]), s.size))


def oblong(s: Specimen, ratio: float) -> None:
    """Two grains; pixels are wider than high, or higher than wide, and the file says so."""
    two_grains(s, 25.0)
    axis = int(s.rng.integers(2))
    matrix = np.eye(2)
    matrix[axis, axis] = 1 / ratio
    s.warp.append(lambda position: position @ matrix.T)
    s.stretch = matrix @ s.stretch
    shape = np.array([s.size, s.size])
    shape[axis] = int(shape[axis] / ratio)
    s.shape = (int(shape[0]), int(shape[1]))
    s.pixel = (0.01 * ratio, 0.01) if axis == 0 else (0.01, 0.01 * ratio)
    s.suffix = ".tif"


def wrong_pitch(s: Specimen, ratio: float) -> None:
    """Two grains; pixels are not square, and the file says that they are."""
    oblong(s, ratio)
    s.pixel = (0.01, 0.01)
    s.distorted = True


def two_grains(s: Specimen, degrees: float) -> None:
    """Two grains, turned against each other by so many degrees."""
    s.angles = (s.angles[0], s.angles[0] + degrees)


def three_grains(s: Specimen, degrees: float) -> None:
    """Three grains, turned against the first by so many degrees, and by as many the other way."""
    s.angles = (s.angles[0], s.angles[0] + degrees, s.angles[0] - degrees)


def _turned_box(s: Specimen, share: float, degrees: float) -> np.ndarray:
    """Pixels inside a rectangle that is turned about the middle and leaves out a share."""
    rows, cols = np.mgrid[: s.size, : s.size] - (s.size - 1) / 2
    turn = np.radians(degrees)
    along, across = (
        np.cos(turn) * cols + np.sin(turn) * rows,
        -np.sin(turn) * cols + np.cos(turn) * rows,
    )
    away = np.maximum(np.abs(along), np.abs(across))
    return away <= np.quantile(away, 1 - share)


def black_frame(s: Specimen, share: float) -> None:
    """A turned image on black: a share of it was never measured."""
    inside = _turned_box(s, share, float(s.rng.uniform(3, 40)))
    s.counts.append(lambda image: np.where(inside, image, 0.0))
    s.inside = inside


def stopped(s: Specimen, share: float) -> None:
    """The scan was stopped; the rest of the file is NaN, or one value."""
    inside = np.ones((s.size, s.size), bool)
    inside[round((1 - share) * s.size) :] = False
    value = np.nan if s.rng.random() < 0.5 else 0.0
    s.counts.append(lambda image: np.where(inside, image, value))
    s.inside = inside


def nan_lines(s: Specimen, share: float) -> None:
    """A share of the lines is NaN."""
    lines = s.rng.random(s.size) < share
    s.counts.append(lambda image: np.where(lines[:, None], np.nan, image))
    s.inside = np.broadcast_to(~lines[:, None], (s.size, s.size)).copy()


def lost_lines(s: Specimen, share: float) -> None:
    """A share of the lines is lost: the line before is repeated, or zeros are written."""
    lines = np.flatnonzero(s.rng.random(s.size - 1) < share) + 1
    zero = s.rng.random() < 0.5

    def lose(image: np.ndarray) -> np.ndarray:
        image = image.copy()
        for line in lines:
            image[line] = 0.0 if zero else image[line - 1]
        return image

    s.counts.append(lose)
    inside = np.ones((s.size, s.size), bool)
    inside[lines] = False
    s.inside = inside


def gradient(s: Specimen, height: float) -> None:
    """The background rises across the image by so many heights of a column."""
    turn = s.rng.uniform(0, 2 * np.pi)
    rows, cols = np.mgrid[: s.size, : s.size] / s.size
    ramp = np.cos(turn) * cols + np.sin(turn) * rows
    ramp = (ramp - ramp.min()) * height * s.peak
    s.light.append(lambda image: image + ramp)


def step(s: Specimen, height: float) -> None:
    """A terrace: beyond an edge, the surface is higher by so many corrugations."""
    turn = s.rng.uniform(0, 2 * np.pi)
    rows, cols = np.mgrid[: s.size, : s.size] - s.size / 2
    side = np.cos(turn) * cols + np.sin(turn) * rows
    edge = 0.5 + 0.5 * np.tanh(side / 2.0)
    # Heights, not electrons: their noise does not grow with them.
    s.counts.append(lambda image: image + height * s.peak * edge)


def waves(s: Specimen, height: float) -> None:
    """Low frequencies of so many heights of a column, peak to valley."""
    field = ndimage.gaussian_filter(s.rng.normal(size=(s.size, s.size)), 2.5 * s.spacing)
    field = (field - field.min()) / np.ptp(field) * height * s.peak
    s.counts.append(lambda image: image + field)


def wrong_polarity(s: Specimen, background: float) -> None:
    """Columns are dark (ABF, bright field), on so much background."""
    s.dark = True
    s.background = background * s.peak


def dumbbells(s: Specimen, separation: float) -> None:
    """Pairs of columns, so many widths apart (Si <110>)."""
    s.width = 0.105 * 17
    s.dumbbell = separation * s.width
    s.spacing = max(2.7 * s.dumbbell, 17.0)


def clipped(s: Specimen, share: float) -> None:
    """The detector saturates from a share of the height of a column on."""
    level = s.background + (1 - share) * s.peak
    s.counts.append(lambda image: np.minimum(image, level))


def hum(s: Specimen, share: float) -> None:
    """Mains hum: the signal swings by a share of the height of a column, not in step with lines."""
    period = s.rng.uniform(5.2, 11.7)
    slip = s.rng.uniform(0, 2 * np.pi)
    rows, cols = np.mgrid[: s.size, : s.size]
    wave = np.sin(2 * np.pi * (rows / period + cols / (40 * s.size)) + slip)
    s.light.append(lambda image: image + share * s.peak * wave)


def jpeg(s: Specimen, quality: float) -> None:
    """The image was exported as JPEG."""
    from io import BytesIO

    from PIL import Image

    def squeezed(image: np.ndarray) -> np.ndarray:
        low, high = np.quantile(image, [0.001, 0.999])
        grey = np.clip((image - low) / (high - low) * 255, 0, 255).round().astype(np.uint8)
        buffer = BytesIO()
        Image.fromarray(grey).save(buffer, "JPEG", quality=int(quality))
        buffer.seek(0)
        return np.asarray(Image.open(buffer).convert("L"), float)

    s.counts.append(squeezed)


def low_dose(s: Specimen, peak: float) -> None:
    """So many electrons per pixel at the middle of a column."""
    s.background *= peak / s.peak
    s.peak = peak


def row_jitter(s: Specimen, pixels: float) -> None:
    """Every row is shifted by a random amount with this standard deviation."""
    s.jitter = pixels


def cosmic(s: Specimen, share: float) -> None:
    """A share of the pixels is far brighter than any column."""

    def struck(image: np.ndarray) -> np.ndarray:
        hit = s.rng.random(image.shape) < share
        return np.where(hit, image + s.peak * s.rng.uniform(5, 60, image.shape), image)

    s.counts.append(struck)


def blur(s: Specimen, factor: float) -> None:
    """Defocus: columns are so many times as wide."""
    s.width *= factor


def astigmatism(s: Specimen, ratio: float) -> None:
    """Columns are longer one way than the other."""
    turn = s.rng.uniform(0, np.pi)
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    s.stretch = axes @ np.diag([np.sqrt(ratio), 1 / np.sqrt(ratio)]) @ axes.T


def support(s: Specimen, share: float) -> None:
    """A crystal on half of an amorphous support with a texture of this share of a column."""
    turn = s.rng.uniform(0, 2 * np.pi)
    side = np.array([np.sin(turn), np.cos(turn)])
    s.keep.append(lambda position: (position - s.size / 2) @ side < 0)
    field = ndimage.gaussian_filter(s.rng.normal(size=(s.size, s.size)), s.width)
    field = field / field.std() * share * s.peak
    s.light.append(lambda image: image + field)


def vacuum(s: Specimen, share: float) -> None:
    """A share of the image is vacuum."""
    turn = s.rng.uniform(0, 2 * np.pi)
    side = np.array([np.sin(turn), np.cos(turn)])
    rows, cols = np.mgrid[: s.size, : s.size] - s.size / 2
    cut = float(np.quantile(side[0] * rows + side[1] * cols, 1 - share))
    s.keep.append(lambda position: (position - s.size / 2) @ side < cut)


def detectors(s: Specimen, contrast: float) -> None:
    """Two detectors: bright field first, blurred and with weak contrast, then the annular one."""

    def both(counts: np.ndarray) -> dict[str, np.ndarray]:
        wide = ndimage.gaussian_filter(counts, 1.5 * s.width)
        weak = 1000 - contrast * 1000 * (wide - wide.min()) / np.ptp(wide)
        return {"BF": s.rng.poisson(weak).astype(float), "HAADF": counts}

    s.channels = both
    s.suffix = ".ome.tif"


def scale_bar(s: Specimen, share: float) -> None:
    """A scale bar was burnt in."""

    def burnt(image: np.ndarray) -> np.ndarray:
        image = image.copy()
        image[-20:-14, 12 : 12 + int(share * s.size)] = image.max()
        return image

    s.counts.append(burnt)
    inside = np.ones((s.size, s.size), bool)
    inside[-20:-14, 12 : 12 + int(share * s.size)] = False
    s.inside = inside


@dataclass(frozen=True)
class Fault:
    """What lays a fault on a specimen, at which strengths, the weakest first; ``cause`` : a pattern
    that is in the words of a finding that names it, where no setting mends it."""

    lay: Callable[[Specimen, float], None]
    strengths: tuple[float, ...]
    cause: str


_NONE = "$^"
_SCAN = r"scan|rows are shifted|position errors"
FAULTS = {
    "none": Fault(none, (0,), _NONE),
    "drift (px)": Fault(drift, (2, 6, 12), _SCAN),
    "shear of the scan": Fault(shear, (0.03, 0.1, 0.2), _SCAN + "|distort"),
    "oblong pixels": Fault(oblong, (1.3, 2, 3), r"square|oblong"),
    "oblong, file says square": Fault(wrong_pitch, (1.05, 1.1, 1.25), r"distort|square|oblong"),
    "two grains (°)": Fault(two_grains, (12, 25, 40), r"grain"),
    "three grains (°)": Fault(three_grains, (12, 20, 28), r"grain"),
    "black frame": Fault(black_frame, (0.1, 0.25, 0.45), _NONE),
    "stopped scan": Fault(stopped, (0.2, 0.5, 0.7), _NONE),
    "lines of NaN": Fault(nan_lines, (0.02, 0.08, 0.2), _NONE),
    "lost lines": Fault(lost_lines, (0.02, 0.05, 0.1), _NONE),
    "gradient": Fault(gradient, (1, 4, 12), r"background"),
    "step": Fault(step, (1, 5, 20), r"background|terrace"),
    "waves": Fault(waves, (0.5, 1.5, 3), r"background"),
    "wrong polarity": Fault(wrong_polarity, (0.1, 1, 4), r"dark|polarity"),
    "dumbbells (σ)": Fault(
        dumbbells, (2.6, 3.3, 4.5), r"pair|dumbbell|elongated|two (atoms|sites)"
    ),
    "clipped": Fault(clipped, (0.2, 0.4, 0.6), r"saturat|clip"),
    "mains hum": Fault(hum, (0.05, 0.1, 0.2), _SCAN),
    "JPEG": Fault(jpeg, (90, 60, 25), r"JPEG|compress"),
    "low dose (e/px)": Fault(low_dose, (20, 6, 2), r"nois"),
    "row jitter (px)": Fault(row_jitter, (0.3, 0.6, 1.0), _SCAN),
    "cosmic pixels": Fault(cosmic, (0.0002, 0.002, 0.01), r"hot_pixels"),
    "blur": Fault(blur, (1.2, 1.5, 1.9), r"blur|overlap|resolved"),
    "astigmatism": Fault(astigmatism, (1.2, 1.5, 2), r"elongated|astigmat"),
    "amorphous support": Fault(support, (0.05, 0.1, 0.2), r"amorphous|texture|no atoms"),
    "vacuum": Fault(vacuum, (0.2, 0.4, 0.6), r"vacuum|no atoms"),
    "BF before HAADF": Fault(detectors, (0.3, 0.1, 0.02), r"channel"),
    "scale bar": Fault(scale_bar, (0.1, 0.2, 0.35), r"scale bar"),
}
"""Faults by name."""


def case(
    fault: str,
    strength: float,
    lattice: str,
    seed: int,
    folder: Path,
    *,
    frames: int = 1,
    size: int = 256,
) -> Case:
    """Make one image with a fault; spacing, width and turn are drawn from the seed.

    With ``frames``, so many exposures are summed.
    """
    rng = np.random.default_rng([seed, *fault.encode(), *lattice.encode()])
    spacing = float(rng.uniform(10, 18))
    specimen = Specimen(
        lattice,
        int(rng.integers(2**31)),
        size=size,
        spacing=spacing,
        width=spacing * float(rng.uniform(0.16, 0.21)),
        peak=float(rng.uniform(60, 300)),
        angles=(float(rng.uniform(0, 360)),),
    )
    specimen.background = specimen.peak * float(rng.uniform(0.1, 0.5))
    FAULTS[fault].lay(specimen, strength)
    specimen.peak *= frames
    specimen.background *= frames
    name = f"{lattice}-{seed}-{list(FAULTS).index(fault)}-{strength:g}-{frames}"
    found = made(name, specimen, folder)
    found.cause = FAULTS[fault].cause
    if frames == 1:
        found.averaged = partial(
            case, fault, strength, lattice, seed, folder, frames=AVERAGED, size=size
        )
    return found
