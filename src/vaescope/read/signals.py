"""From the signals of one file, as RosettaSciIO describes them, to the image among them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read import chosen, moments, titles
from vaescope.read.physical import Pixel, length, metres_per
from vaescope.read.raw import (
    PLAIN,
    SMALLEST_SIDE,
    NoImageError,
    Raw,
    named_colours,
    real,
    without_fields,
)

_SPECTRAL_UNITS = {"ev", "kev", "mev", "v", "mv", "hz", "khz", "mhz", "cm-1", "1/cm", "cm^-1"}
_SPECTRAL_NAMES = ("energy", "wavelength", "wavenumber", "raman", "bias", "mass", "m/z", "channels")
LABELS = "labels"  # key of an axis of channels: their names
_RECIPROCAL = re.compile(
    r"1/([pnµμu]?m|å|ang|angstrom|a)|([pnµμu]?m|å|ang|angstrom|a)\^?[-−]1|mrad"
)
SPECTRA = (
    "If it holds spectra, a recipe that says `spectra: read: true` reads them; else export the"
    " image as its own file, or take this row out of the sample sheet"
)
_MANY_AXES = (
    "Export one plane or one series of images, such as the image of a virtual detector: the file"
    " has more axes than a series of images with channels"
)


@dataclass
class Image:
    """One signal that can be an image: (frame, y, x) or (frame, y, x, channel), lazy.

    ``channels`` are the names along the last of four axes; [] where these are colours.
    """

    title: str
    data: da.Array
    y: dict[str, Any]
    x: dict[str, Any]
    frames: dict[str, Any] | None
    metadata: dict[str, Any]
    channels: list[str] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape


def to_raw(
    signals: list[dict[str, Any]],
    wanted: Any,
    reader: str,
    *,
    path: object,
    previews: bool = False,
    without: Collection[str] = (),
) -> Raw:
    """Make an image of the signals of a file; several of one shape (detectors) become channels.

    Parameters
    ----------
    signals : as RosettaSciIO describes them.
    wanted : what `ingest: array` of the recipe says, a title or a number; or None.
    reader : what has read the file, in words.
    previews : whether the file may hold small copies of its images, which nobody asks for without
        naming them: less than a quarter of the pixels of the largest.
    without : numbers of signals that are spectra.

    Raises
    ------
    UserError : no signal is an image, several of unlike shapes are and none is named, or the one
        named is not there.
    """
    called = titles.of(signals)
    images = [
        (k, image)
        for k, signal in enumerate(signals)
        if str(k) not in without and (image := as_image(signal, called[k][0] or f"image {k}"))
    ]
    if wanted is not None:
        numbers = chosen.numbers(wanted, called)
        images = [(k, image) for k, image in images if k in numbers]
        if len(images) != 1:
            raise UserError(
                f"`ingest: array` names {wanted!r}, which is not exactly one image of this file",
                file=path,
                found=titles.listing(signals),
                remedy="Set it to one of these titles or numbers",
            )
    elif previews:
        largest = max((image.data.size for _, image in images), default=0)
        images = [pair for pair in images if 4 * pair[1].data.size > largest]
    if not images:
        raise NoImageError(
            "there is no image in this file",
            file=path,
            found=titles.listing(signals) or "nothing",
            expected=f"a signal with two axes in space, each at least {SMALLEST_SIDE} pixels",
            remedy=_MANY_AXES if any(_axes_beside(signal) > 1 for signal in signals) else SPECTRA,
        )
    if len(images) > 1:
        # Fourier transforms that Velox keeps beside the images they were made from.
        images = [pair for pair in images if pair[1].data.dtype.kind != "c"] or images
        images = [pair for pair in images if not reciprocal(pair[1].x)] or images
    if len({image.shape for _, image in images}) > 1:
        raise UserError(
            "several images of unlike shapes are in this file",
            file=path,
            found=titles.listing(signals),
            remedy="Say which by `ingest: array` in the recipe, by title or number",
        )
    return real(_joined([image for _, image in images], reader))


def as_image(signal: dict[str, Any], title: str) -> Image | None:
    """Interpret a signal as an image; None if it is a spectrum, a table or too small."""
    data = signal["data"]
    if not isinstance(data, da.Array):
        data = da.from_array(np.asarray(data), name=False)
    axes = titles.in_order(signal["axes"])
    if len(axes) != data.ndim:
        return None
    if data.dtype.names:
        data = without_fields(data)
        axes.append({"name": "colour", "size": data.shape[-1], "colour": True})
    elif data.dtype.kind not in "buifc":
        return None
    keep = [
        n != 1 or "colour" in axis or LABELS in axis
        for n, axis in zip(data.shape, axes, strict=True)
    ]
    data = data[tuple(slice(None) if stays else 0 for stays in keep)]
    axes = [axis for axis, stays in zip(axes, keep, strict=True) if stays]
    if any(_spectral(axis) for axis in axes):
        return None
    for k in [k for k, axis in enumerate(axes) if LABELS in axis][:1]:
        axes.append(axes.pop(k))
        data = da.moveaxis(data, k, -1)
    colour = bool(axes) and (
        "colour" in axes[-1] or LABELS in axes[-1] or _is_colour(axes[-1], data)
    )
    plain = axes[:-1] if colour else axes
    space = _space(plain)
    if space is None or min(plain[k]["size"] for k in space) < SMALLEST_SIDE:
        return None
    rest = [k for k in range(len(plain)) if k not in space]
    if len(rest) > 1:
        return None
    order = [*rest, *space, *([len(plain)] if colour else [])]
    data = da.transpose(data, order)
    return Image(
        title=title,
        data=data if rest else data[None],
        y=plain[space[0]],
        x=plain[space[1]],
        frames=plain[rest[0]] if rest else None,
        channels=list(axes[-1].get(LABELS, [])) if colour else [],
        metadata={
            "metadata": signal.get("metadata", {}),
            "original_metadata": signal.get("original_metadata", {}),
        },
    )


def _axes_beside(signal: dict[str, Any]) -> int:
    """Count the axes of a signal beside two in space and one of channels; 0 with a spectral one."""
    axes = [axis for axis in signal["axes"] if axis.get("size", 2) != 1 and LABELS not in axis]
    return 0 if any(_spectral(axis) for axis in axes) else max(len(axes) - 2, 0)


def _space(axes: list[dict[str, Any]]) -> tuple[int, int] | None:
    """Find y and x among the axes: by name, else the two axes of the signal, else the last two."""
    names = [str(axis.get("name", "")).casefold() for axis in axes]
    for pair in (("y", "x"), ("height", "width")):
        if all(names.count(name) == 1 for name in pair):
            return names.index(pair[0]), names.index(pair[1])
    signal = [k for k, axis in enumerate(axes) if not axis.get("navigate", False)]
    if len(signal) == 1:
        return None  # a curve at each point
    if len(signal) == 2:
        return signal[0], signal[1]
    return (len(axes) - 2, len(axes) - 1) if len(axes) >= 2 else None


def _spectral(axis: dict[str, Any]) -> bool:
    unit = re.sub(r"\s", "", str(axis.get("units") or "")).casefold()
    name = str(axis.get("name") or "").casefold()
    return unit in _SPECTRAL_UNITS or any(word in name for word in _SPECTRAL_NAMES)


def _is_colour(axis: dict[str, Any], data: da.Array) -> bool:
    return data.ndim == 3 and data.shape[-1] in (3, 4) and min(data.shape[-3:-1]) >= SMALLEST_SIDE


def _joined(images: list[Image], reader: str) -> Raw:
    first = images[0]
    names = [image.title for image in images] if len(images) > 1 else [PLAIN]
    names = chosen.told_apart(names)
    if first.data.ndim == 4:  # (frame, y, x, channel)
        data = da.moveaxis(first.data, -1, 1)
        names = first.channels or named_colours(data.shape[1])
    else:
        kind = np.result_type(*(image.data.dtype for image in images))
        data = da.stack([image.data.astype(kind) for image in images], axis=1)
    step, unit = _frame_step(first.frames)
    pixel = pixel_of(first.y, first.x)
    return Raw(
        data=data,
        channels=names,
        units=[_signal_unit(first)] * len(names)
        if len(images) == 1
        else [_signal_unit(image) for image in images],
        reader=reader,
        pixel=pixel,
        corner=corner_of(first.y, first.x),
        reciprocal=reciprocal(first.x),
        time_step=step,
        time_unit=unit,
        metadata=first.metadata
        if len(images) == 1
        else {image.title: image.metadata for image in images},
    )


def pixel_of(y: dict[str, Any], x: dict[str, Any]) -> Pixel | None:
    """Compute the pixel from two axes; None unless both have a unit of length and a scale."""
    sides = [length(axis.get("scale"), axis.get("units")) for axis in (y, x)]
    return Pixel(*sides) if None not in sides else None  # type: ignore[arg-type]


def corner_of(y: dict[str, Any], x: dict[str, Any]) -> tuple[float, float] | None:
    """Compute the place of the first pixel in metres, in the coordinates of the file; None unless
    both axes have a unit of length and a finite offset."""
    found = []
    for axis in (y, x):
        per, offset = metres_per(axis.get("units")), axis.get("offset")
        if per is None or offset is None or not np.isfinite(offset):
            return None
        found.append(float(offset) * per)
    return found[0], found[1]


def reciprocal(axis: dict[str, Any]) -> str:
    """Find the unit of an axis in reciprocal space (1/nm, nm^-1, mrad), as of a diffraction pattern
    or a Fourier transform; "" for any other axis."""
    unit = str(axis.get("units") or "").strip()
    plain = re.sub(r"[\s{}$]", "", unit).replace("⁻¹", "-1").casefold()
    return unit if _RECIPROCAL.fullmatch(plain) else ""


def _frame_step(axis: dict[str, Any] | None) -> tuple[float, str]:
    if axis is None:
        return 1.0, "frame"
    scale = axis.get("scale")
    step = None if scale is None else moments.seconds(float(scale), axis.get("units"))
    return (1.0, "frame") if step is None else (step, "s")


def _signal_unit(image: Image) -> str:
    quantity = str(image.metadata["metadata"].get("Signal", {}).get("quantity") or "")
    found = re.search(r"\(([^()]*)\)\s*$", quantity)
    return found[1] if found else ""
