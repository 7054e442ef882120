"""From vendor files to one image with physical coordinates, and to the spectra that lie on it.

``load`` and ``load_spectra`` are the ways in. The numbers stay on the disk, or with the file's own
reader, until a chunk is needed; only checks that need every pixel pass over the image once, chunk
by chunk.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope.errors import UserError
from vaescope.read.digest import fingerprint, unchanged
from vaescope.read.settings import IngestSettings
from vaescope.read.spectra_settings import SpectraSettings

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from vaescope.read.raw import Raw

__all__ = ["fingerprint", "load", "load_spectra", "unchanged"]

LEAST_BESIDE_SPECTRA = 3  # pixels, side of an image


def load(
    source_paths: str | os.PathLike | Sequence[str | os.PathLike],
    settings: Mapping[str, Any] | IngestSettings | None = None,
    *,
    pixel_size: str | float | None = None,
    spectra: Mapping[str, Any] | SpectraSettings | None = None,
    spectra_paths: str | os.PathLike | Sequence[str | os.PathLike] | None = None,
) -> xr.Dataset:
    """Read one image, stack or movie, lazily.

    Parameters
    ----------
    source_paths : the files of one dataset; several become a series in time, in the order of
        their names (numbers in names counted: 2 before 10).
    settings : the part `ingest` of a recipe (see ``read.settings.IngestSettings``): ``array``,
        ``channel``, ``unmeasured`` and ``preprocess``; what is missing has its default.
    pixel_size : side of a pixel from the sample sheet, with its unit, such as ``"0.0078 nm"``;
        goes before what the file says.
    spectra : the part `spectra` of a recipe. Where it asks for spectra and the files hold no image
        of their own, the image is made of the spectra.
    spectra_paths : the files with the spectra, if these are others.

    Returns
    -------
    Dataset with ``image`` (time, channel, y, x) float32, in chunks of one frame and at most
    1024 × 1024 pixels; coordinates ``y``, ``x`` in ``pixel_unit`` (pixels where no size is known);
    attributes ``pixel_size``, ``pixel_unit``, ``calibrated``, ``calibration`` (where the size comes
    from), ``vendor_metadata`` (JSON), ``source_files``, ``source_sha256``, ``reader``,
    ``channel_units``, ``source_dtype``; ``resampled_axis`` and ``resampled_factor`` where pixels
    were not square and were resampled; ``reciprocal_unit`` where the axes of the file are in 1/nm
    or the like; ``image_from`` where the image was made of spectra, in words.

    Where something is missing, ``measured`` (time, y, x) says what was measured; what was not is
    filled in from its surroundings, so that filters do not ring at its border.

    With ``piezoresponse`` the channels are `in-phase`, `out-of-phase` and `amplitude`, in the unit
    of the amplitude (pm for m), then those of further responses (`in-phase 2`, `lateral in-phase`,
    …), then `height`, `z sensor`, `deflection`, `frequency` where the files have them; the
    attribute ``piezoresponse`` is JSON of how they were made (``piezoresponse.response.turned``).

    A phase (a channel in degrees or radians) becomes two channels, its cosine and its sine, which
    can be sampled and smoothed without a step.

    Arrays of an npz or HDF5 file with one entry per frame become ``truth_NAME`` (time, …): no
    model sees them unless its recipe names them.

    Raises
    ------
    UserError : whatever is wrong with a file, the settings or the pixel size.
    """
    from vaescope.read import clean, cyclic, formats, ground_truth, preprocess, raw, square
    from vaescope.read.piezoresponse import response
    from vaescope.results import coverage

    chosen = IngestSettings.of(settings)
    paths = _paths(source_paths)
    made: dict[str, Any] = {}
    image_from, good = "", None
    wanted = chosen.channel
    if chosen.piezoresponse:
        whole, made, good = _piezoresponse(paths, chosen, pixel_size)
        picked, wanted = whole, None
    else:
        whole, image_from = _image(paths, chosen, pixel_size, spectra, spectra_paths)
        picked = raw.pick_channels(whole, wanted, path=paths[0])
    whole = cyclic.parted(picked)
    # The image of few spectra, or a patch of each, is smaller than one in which atoms are sought.
    # A patch of a particle is black around it where nothing lies.
    framed = not whole.pictures and min(whole.data.shape[2:]) >= raw.SMALLEST_SIDE
    least = LEAST_BESIDE_SPECTRA if SpectraSettings.of(spectra).read else raw.SMALLEST_SIDE
    with formats.readable(paths[0], formats.extension_of(paths[0], curves=True)):
        whole, known, facts = clean.finish(
            whole,
            path=paths[0],
            chosen=wanted is not None and whole is picked,
            constant=chosen.unmeasured != "nan" and framed,
            least=1 if image_from else least,
        )
        if made:
            response.refuse_without_contrast(whole, paths[0])
            if good is not None and chosen.bad_lines == "mask":
                known, facts[coverage.LINES] = response.masked(known, good)
    dataset = _dataset(whole)
    if known is not None:
        about = {"long_name": "measured", "units": "1"}
        dataset["measured"] = (("time", "y", "x"), known, about)
    dataset.attrs |= {
        **facts,
        "source_files": [path.name for path in paths],
        "source_sha256": [fingerprint(path) for path in paths],
    }
    if image_from:
        dataset.attrs["image_from"] = image_from
    if made:
        dataset.attrs[response.ATTRIBUTE] = json.dumps(made)
    dataset = dataset.assign(ground_truth.per_frame(whole.beside))
    dataset = preprocess.apply(dataset, chosen.preprocess, folder=paths[0].parent)
    y, x, _ = _pitch(whole)
    return square.pixels(dataset, y, x)


def load_spectra(
    source_paths: str | os.PathLike | Sequence[str | os.PathLike],
    settings: Mapping[str, Any] | SpectraSettings | None = None,
    *,
    pixel_size: str | float | None = None,
    ingest: Mapping[str, Any] | IngestSettings | None = None,
    spectra_paths: str | os.PathLike | Sequence[str | os.PathLike] | None = None,
) -> xr.Dataset:
    """Read the spectra of one dataset, lazily, and how they lie on the image that ``load`` reads.

    Parameters
    ----------
    source_paths : the files of the dataset; several become a series in time.
    settings : the part `spectra` of a recipe (see ``read.spectra_settings.SpectraSettings``).
    pixel_size : side of a pixel of the image, from the sample sheet.
    ingest : the part `ingest` of the recipe, by which the image is read.
    spectra_paths : the files with the spectra, if these are others: the image is in the first.

    Returns
    -------
    Dataset with ``spectra`` (time, y, x, energy) float32, in chunks of whole spectra of at most
    8 MiB; coordinates ``energy`` in the unit of the file ("1" where it says none), ``y``, ``x`` in
    the unit of the image; attributes ``pitch_y``, ``pitch_x`` (pixels of the image per spectrum),
    ``start_y``, ``start_x`` (image pixel of the centre of the first spectrum), ``image_from``
    (how the image was made of the spectra, "" if it is a signal of its own), ``counts`` (1 if the
    values are counts), ``calibrated`` (whether the axis has a unit), ``signal``, ``preprocess``
    (JSON of what was done), ``filled_channels``, ``lowest``, and the provenance as ``load`` has it.

    Where spectra are missing, ``measured`` (time, y, x) says which were measured; the others are
    the mean spectrum. ``aligned_by`` (time, y, x) are shifts in the unit of the axis that were
    applied, ``normalised_by`` (time, y, x) divisors; ``truth_NAME`` what the file knows of each
    spectrum.

    Raises
    ------
    UserError : there are no spectra, several signals could be meant, it is not clear which axis
        is the spectral one, image and spectra do not fit each other, or a file cannot be read.
    """
    from vaescope.read import formats, square
    from vaescope.read.raw import show
    from vaescope.read.spectra import assemble, geometry

    chosen = SpectraSettings.of(settings)
    paths = _paths(source_paths)
    others = _paths(spectra_paths) if spectra_paths else paths
    curves = assemble.stacked(others, chosen)
    image, image_from = _image(paths, IngestSettings.of(ingest), pixel_size, chosen, spectra_paths)
    frames, shown = curves.data.shape[0], image.data.shape[0]
    if frames != shown:
        raise UserError(
            "image and spectra do not fit each other: they have unlike numbers of frames",
            file=others[0],
            found=f"{frames} of the spectra and {shown} of the image in `{paths[0].name}`",
            remedy=f"Save the spectra in the order of the image, as {show(image.data.shape[2:])} ×"
            f" {curves.data.shape[-1]}"
            if frames == math.prod(image.data.shape[2:])
            else "Give as many images as spectra, in the same order; or a cube of spectra"
            " (y, x, energy) with one image",
        )
    height, width = image.data.shape[2:]
    grid = geometry.relate(
        geometry.Extent(height, width, image.pixel, image.corner, image.marked),
        geometry.Extent(*curves.grid, curves.pixel, curves.corner),
        chosen,
        path=others[0],
        other=paths[0].name,
    )
    y, x, unit = _pitch(image)
    by = square.factors(y, x)
    grid = geometry.GridPlace(
        (grid.pitch[0] * by[0], grid.pitch[1] * by[1]),
        (grid.start[0] * by[0], grid.start[1] * by[1]),
    )
    with formats.readable(others[0], formats.extension_of(others[0], curves=True)):
        return assemble.dataset(
            curves, others, chosen, grid, image_from=image_from, pixel=(min(y, x), unit)
        )


def _image(
    paths: list[Path],
    chosen: IngestSettings,
    pixel_size: str | float | None,
    spectra: Mapping[str, Any] | SpectraSettings | None,
    spectra_paths: Any,
) -> tuple[Raw, str]:
    """Read the image of every file; or make it of the spectra, and say how, if there is none."""
    from vaescope.read import formats, physical, raw

    asked = SpectraSettings.of(spectra)
    sheet = physical.from_sheet(pixel_size)
    parts, words = [], ""
    for path in paths:
        if asked.read and not spectra_paths:
            part, words = _beside_spectra(path, chosen.array, asked)
        else:
            part = formats.read(path, chosen.array)
        with formats.readable(path, formats.extension_of(path, curves=True)):
            parts.append(_calibrated(raw.tidy(part), path, sheet))
    return raw.stack(parts, [path.name for path in paths]), words


def _piezoresponse(
    paths: list[Path], chosen: IngestSettings, pixel_size: str | float | None
) -> tuple[Raw, dict[str, Any], np.ndarray]:
    """Read the piezoresponse of every file, turned onto the axis of the domain states; how this was
    done; and what lies on good scan lines, (time, y, x) bool."""
    from vaescope.read import formats, physical
    from vaescope.read.piezoresponse import response, sources

    sheet = physical.from_sheet(pixel_size)
    read = []
    for path in paths:
        one = sources.read(path, chosen)
        with formats.readable(path, formats.extension_of(path)):
            read.append(replace(one, raw=_calibrated(one.raw, path, sheet)))
    return response.turned(response.join(read, paths, chosen))


def _beside_spectra(path: Path, array: Any, asked: SpectraSettings) -> tuple[Raw, str]:
    from vaescope.read import formats
    from vaescope.read.raw import NoImageError
    from vaescope.read.spectra import assemble, sources

    curves = sources.read(path, asked)
    try:
        return formats.read(path, array, without=curves.parts), ""
    except NoImageError:
        with formats.readable(path, formats.extension_of(path, curves=True)):
            return assemble.picture(curves, asked, path=path)


def _paths(source: str | os.PathLike | Sequence[str | os.PathLike]) -> list[Path]:
    from vaescope.read.raw import natural

    many = [source] if isinstance(source, str | os.PathLike) else list(source)
    if not many:
        raise UserError(
            "no file matches the source of this dataset",
            remedy="Correct the column `source`: paths count from the folder of the sample sheet",
        )
    return sorted(map(Path, many), key=lambda path: natural(str(path)))


def _calibrated(raw: Raw, path: Path, sheet: Any) -> Raw:
    """Set the pixel size: from the sample sheet, else the file, else its sidecar."""
    from vaescope.read import formats, moments, sidecar

    given = "the file" if raw.pixel else "none in the file"
    if raw.reciprocal:
        given = f"none: the axes are in {raw.reciprocal}"
    raw = replace(raw, calibration=given)
    beside = None
    if formats.extension_of(path, curves=True) in formats.SIDECARS:
        beside = sidecar.beside(path)
    if sheet is not None:
        raw = replace(raw, pixel=sheet, calibration="the sample sheet")
    if beside is None:
        return raw
    if sheet is not None or raw.pixel is not None:
        # Kept for the reader of the store; of little need, so its mistakes do not matter.
        try:
            content = sidecar.read(beside)
        except UserError:
            return raw
        raw = moments.stated(raw, content)
        return replace(raw, metadata={"file": raw.metadata, beside.name: content})
    content = sidecar.read(beside)
    raw = moments.stated(raw, content)
    shape = (int(raw.data.shape[2]), int(raw.data.shape[3]))
    pixel, words = sidecar.pixel(content, shape, file=beside)
    return replace(
        raw,
        pixel=pixel,
        calibration=words,
        metadata={"file": raw.metadata, beside.name: content},
    )


def _pitch(raw: Raw) -> tuple[float, float, str]:
    """Height and width of a pixel, and their unit; 1 px where they are not known."""
    from vaescope.read import physical

    return physical.display(raw.pixel) if raw.pixel else (1.0, 1.0, "px")


def _dataset(raw: Raw) -> xr.Dataset:
    import numpy as np
    import xarray as xr

    from vaescope.read import metadata, moments

    height, width = raw.data.shape[2:]
    times, time_unit = moments.times(raw)
    y, x, unit = _pitch(raw)
    attributes: dict[str, Any] = {
        "pixel_size": x,
        "pixel_unit": unit,
        "calibrated": raw.pixel is not None,
        "calibration": raw.calibration,
        "vendor_metadata": metadata.to_json(raw.metadata),
        "reader": raw.reader,
        "channel_units": list(raw.units),
    }
    if raw.reciprocal:
        attributes["reciprocal_unit"] = raw.reciprocal
    signal = raw.units[0] if len(set(raw.units)) == 1 else ""
    along = {"y": "downwards", "x": "to the right"}
    return xr.Dataset(
        {
            "image": (
                ("time", "channel", "y", "x"),
                raw.data,
                {"long_name": "signal", "units": signal or "1"},
            )
        },
        coords={
            "time": (
                "time",
                times,
                {"long_name": "time" if time_unit == "s" else "frame", "units": time_unit},
            ),
            "channel": ("channel", np.array(raw.channels, dtype=str), {"long_name": "channel"}),
            **{
                name: (
                    name,
                    np.arange(count) * step,
                    {"long_name": f"position {along[name]}", "units": unit},
                )
                for name, count, step in (("y", height, y), ("x", width, x))
            },
        },
        attrs=attributes,
    )
