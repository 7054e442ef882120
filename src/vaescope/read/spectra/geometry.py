"""How the grid of the spectra lies on the image."""

from __future__ import annotations

from dataclasses import dataclass

from vaescope.errors import UserError
from vaescope.read.physical import Pixel
from vaescope.read.spectra_settings import SpectraSettings

SAME = 0.03  # of a size: scans are rounded to whole pixels, and scales of two detectors differ
_REMEDY = (
    "If the files belong together, say where the spectra lie by `spectra: pitch_y`, `pitch_x`,"
    " `start_y` and `start_x` in the recipe"
)


@dataclass(frozen=True)
class Extent:
    """A picture or a grid: its height and width in pixels; the size of a pixel and the place of the
    first one in metres where they are known; and of a survey the area in pixels (top, left, bottom,
    right) that the file marks as that of the spectra."""

    height: int
    width: int
    pixel: Pixel | None = None
    corner: tuple[float, float] | None = None
    marked: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class GridPlace:
    """``pitch`` (y, x): pixels of the image per spectrum; ``start`` (y, x): image pixel of the
    centre of the first spectrum."""

    pitch: tuple[float, float]
    start: tuple[float, float]


def relate(
    image: Extent, spectra: Extent, settings: SpectraSettings, *, path: object, other: object
) -> GridPlace:
    """Find how the grid of the spectra lies on the image.

    As the settings say; else where a survey marks them; else by the sizes of pixels and the places
    of both in the file, where these say that the spectra cover a part of the image; else both
    cover the same area.

    Parameters
    ----------
    path, other : the files of the spectra and of the image, for messages.

    Raises
    ------
    UserError : the two do not fit each other.
    """
    found = _stated(image, spectra, settings) or _by_mark(image, spectra)
    found = found or _by_scale(image, spectra, path, other)
    found = found or _by_size(image, spectra, path, other)
    for side, n, pitch, start in zip(
        (image.height, image.width),
        (spectra.height, spectra.width),
        found.pitch,
        found.start,
        strict=True,
    ):
        first, last = start - pitch / 2, start + (n - 0.5) * pitch
        slack = max(SAME * side, 0.5 * pitch)
        if first < -0.5 - slack or last > side - 0.5 + slack:
            raise UserError(
                "the spectra reach beyond the image",
                file=path,
                found=f"pixels {first + 0.5:g} to {last + 0.5:g} of {side} in the image `{other}`",
                remedy=_REMEDY,
            )
    return found


def _stated(image: Extent, spectra: Extent, settings: SpectraSettings) -> GridPlace | None:
    """The grid as the recipe gives it; its pitch is that of the sizes where only a start is."""
    given = (settings.pitch_y, settings.pitch_x, settings.start_y, settings.start_x)
    if all(value is None for value in given):
        return None
    by_size = image.height / spectra.height, image.width / spectra.width
    if image.pixel and spectra.pixel:
        by_size = spectra.pixel.y / image.pixel.y, spectra.pixel.x / image.pixel.x
    y = settings.pitch_y or settings.pitch_x or by_size[0]
    x = settings.pitch_x or settings.pitch_y or by_size[1]
    start_y, start_x = settings.start_y, settings.start_x
    return GridPlace(
        (y, x),
        (
            (y - 1) / 2 if start_y is None else start_y,
            (x - 1) / 2 if start_x is None else start_x,
        ),
    )


def _by_mark(image: Extent, spectra: Extent) -> GridPlace | None:
    """The grid in the area that a survey marks, if that has its proportions."""
    if image.marked is None:
        return None
    top, left, bottom, right = image.marked
    area = Extent(round(bottom - top), round(right - left))
    if min(area.height, area.width) < 1 or not _alike(area, spectra):
        return None
    y, x = (bottom - top) / spectra.height, (right - left) / spectra.width
    return GridPlace((y, x), (top + (y - 1) / 2, left + (x - 1) / 2))


def _by_scale(image: Extent, spectra: Extent, path: object, other: object) -> GridPlace | None:
    """The grid by sizes of pixels, where these say how much of the image the spectra cover."""
    if image.pixel is None or spectra.pixel is None:
        return None
    y, x = spectra.pixel.y / image.pixel.y, spectra.pixel.x / image.pixel.x
    covered = y * spectra.height / image.height, x * spectra.width / image.width
    if all(abs(share - 1) <= SAME for share in covered):
        y, x = image.height / spectra.height, image.width / spectra.width
        return GridPlace((y, x), ((y - 1) / 2, (x - 1) / 2))
    if image.corner is None or spectra.corner is None or image.corner == spectra.corner:
        if (image.height, image.width) == (spectra.height, spectra.width):
            return None  # scales contradict each other, but the grids are the same
        raise UserError(
            "the spectra cover a part of the image only, and the files do not say which"
            if max(covered) <= 1 + SAME
            else "the spectra cover a larger area than the image",
            file=path,
            found=f"{covered[0]:.0%} of the height and {covered[1]:.0%} of the width of the image"
            f" in `{other}`, by the sizes of their pixels",
            remedy=_REMEDY,
        )
    start = [
        (mine - its) / side + (pitch - 1) / 2
        for mine, its, side, pitch in zip(
            spectra.corner, image.corner, image.pixel, (y, x), strict=True
        )
    ]
    return GridPlace((y, x), (start[0], start[1]))


def _by_size(image: Extent, spectra: Extent, path: object, other: object) -> GridPlace:
    """The grid of spectra that cover the whole image."""
    y, x = image.height / spectra.height, image.width / spectra.width
    single = spectra.height == spectra.width == 1
    if not single and not _alike(image, spectra):
        turned = abs(image.height / spectra.width / (image.width / spectra.height) - 1) <= SAME
        raise UserError(
            "image and spectra do not fit each other: their grids have other proportions"
            + ("; one of them lies on its side" if turned else ""),
            file=path,
            found=f"{spectra.height} × {spectra.width} spectra and an image of {image.height} × "
            f"{image.width} pixels in `{other}`: {y:.3g} pixels per spectrum downwards, {x:.3g} to"
            " the right",
            expected="the same number along both",
            remedy=_REMEDY,
        )
    return GridPlace((y, x), ((y - 1) / 2, (x - 1) / 2))


def _alike(image: Extent, spectra: Extent) -> bool:
    ratio = image.height / spectra.height / (image.width / spectra.width)
    return abs(ratio - 1) <= SAME
