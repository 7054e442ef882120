"""From vendor files to one image with physical coordinates: the image contract of the stores.

``load`` is the way in. The numbers stay on the disk, or with the file's own reader, until a chunk
is asked for; only checks that need every pixel pass over the image once, chunk by chunk.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope.errors import UserError
from vaescope.read.settings import IngestSettings

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.read.raw import Raw

__all__ = ["fingerprint", "load"]


def load(
    source_paths: str | os.PathLike | Sequence[str | os.PathLike],
    settings: Mapping[str, Any] | IngestSettings | None = None,
    *,
    pixel_size: str | float | None = None,
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

    Returns
    -------
    Dataset with ``image`` (time, channel, y, x) float32, in chunks of one frame and at most
    1024 × 1024 pixels; coordinates ``y``, ``x`` in ``pixel_unit`` (pixels where no size is known);
    attributes ``pixel_size``, ``pixel_unit``, ``calibrated``, ``calibration`` (where the size comes
    from), ``vendor_metadata`` (JSON), ``source_files``, ``source_sha256``, ``reader``,
    ``channel_units``, ``source_dtype``; ``resampled_axis`` and ``resampled_factor`` where pixels
    were not square and were resampled; ``reciprocal_unit`` where the axes of the file are in 1/nm
    or the like.

    Where something is missing, ``measured`` (time, y, x) says what was measured; what was not is
    filled in from its surroundings, so that filters do not ring at its border.

    A phase (a channel in degrees or radians) becomes two channels, its cosine and its sine, which
    can be sampled and smoothed without a step.

    Arrays of an npz or HDF5 file with one entry per frame become ``truth_NAME`` (time, …): no
    model sees them unless its recipe names them.

    Raises
    ------
    UserError : whatever is wrong with a file, the settings or the pixel size.
    """
    from vaescope.read import (
        clean,
        cyclic,
        formats,
        ground_truth,
        physical,
        preprocess,
        raw,
        square,
    )

    chosen = IngestSettings.of(settings)
    sheet = physical.from_sheet(pixel_size)
    paths = _paths(source_paths)
    parts: list[Raw] = []
    for path in paths:
        part = formats.read(path, chosen.array)
        with formats.readable(path, formats.extension_of(path)):
            parts.append(_calibrated(raw.tidy(part), path, sheet))
    whole = raw.stack(parts, [path.name for path in paths])
    wanted = chosen.channel
    picked = raw.pick_channels(whole, wanted, path=paths[0])
    whole = cyclic.parted(picked)
    with formats.readable(paths[0], formats.extension_of(paths[0])):
        whole, known, facts = clean.finish(
            whole,
            path=paths[0],
            chosen=wanted is not None and whole is picked,
            constant=chosen.unmeasured != "nan",
        )
    dataset = _dataset(whole)
    if known is not None:
        about = {"long_name": "measured", "units": "1"}
        dataset["measured"] = (("time", "y", "x"), known, about)
    dataset.attrs |= {
        **facts,
        "source_files": [path.name for path in paths],
        "source_sha256": [fingerprint(path) for path in paths],
    }
    dataset = dataset.assign(ground_truth.per_frame(whole.beside))
    dataset = preprocess.apply(dataset, chosen.preprocess, folder=paths[0].parent)
    y, x, _ = _pitch(whole)
    return square.pixels(dataset, y, x)


def fingerprint(path: str | os.PathLike) -> str:
    """Compute the SHA-256 of a file, in pieces; of a folder (zspy), over files and names."""
    path = Path(path)
    if path.is_dir():
        total = hashlib.sha256()
        for one in sorted(path.rglob("*")):
            if one.is_file():
                total.update(f"{one.relative_to(path).as_posix()} {fingerprint(one)}\n".encode())
        return total.hexdigest()
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    from vaescope.read import formats, sidecar

    given = "the file" if raw.pixel else "none in the file"
    if raw.reciprocal:
        given = f"none: the axes are in {raw.reciprocal}"
    raw = replace(raw, calibration=given)
    beside = None
    if formats.extension_of(path) in formats.SIDECARS:
        beside = sidecar.beside(path)
    if sheet is not None:
        raw = replace(raw, pixel=sheet, calibration="the sample sheet")
    if beside is None:
        return raw
    if sheet is not None or raw.pixel is not None:
        # Kept for the reader of the store; not needed, so its mistakes do not matter.
        try:
            content = sidecar.read(beside)
        except UserError:
            return raw
        return replace(raw, metadata={"file": raw.metadata, beside.name: content})
    content = sidecar.read(beside)
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

    from vaescope.read import metadata

    frames, _, height, width = raw.data.shape
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
                np.arange(frames) * raw.time_step,
                {"long_name": "time" if raw.time_unit == "s" else "frame", "units": raw.time_unit},
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
