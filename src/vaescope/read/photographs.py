"""Pictures (png, jpg, bmp, gif) through Pillow."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import dask.array as da
import numpy as np

from vaescope.errors import UserError
from vaescope.read import chosen, lazy
from vaescope.read.at_once import refuse_large
from vaescope.read.raw import PLAIN, Raw

LARGEST = 2**30  # pixels; a picture has to be decoded as a whole
_GRAY = {"1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N", "LA", "La"}
_COLOURS = ["red", "green", "blue"]
_GUARD = Lock()  # the limit is a global of Pillow, and Dask decodes in threads


def read(path: Path, extension: str, wanted: Any) -> Raw:
    """Read a picture; an animated one becomes a series in time. Transparency is ignored."""
    from PIL import Image

    chosen.refuse_other(wanted, path)
    with _open(path) as picture:
        if picture.width * picture.height > LARGEST:
            raise UserError(
                "the picture is too large to be decoded as a whole",
                file=path,
                found=f"{picture.width} × {picture.height} pixels",
                remedy="Save it as TIFF, npy or HDF5, which are read piece by piece",
            )
        if 0 in picture.size:
            raise UserError("the picture is empty", file=path)
        colours = 1 if picture.mode in _GRAY else 4
        refuse_large(path, (*picture.size, colours), np.dtype(np.uint8), "the picture")
        frames = getattr(picture, "n_frames", 1)
        colour = picture.mode not in _GRAY
        kind = picture.format or extension.upper()
        facts = {"format": kind, "mode": picture.mode, **picture.info}
        if "exif" in facts:
            tags = Image.Exif()
            tags.load(facts.pop("exif"))
            facts["exif"] = dict(tags)
    shape = (picture.height, picture.width, *((3,) if colour else ()))
    # Decoded once here: it shows a damaged file now, and the dtype as Pillow makes it.
    dtype = decode(str(path), 0).dtype
    pages = [lazy.array(lazy.Decoded(str(path), decode, k, dtype, shape)) for k in range(frames)]
    data = da.stack(pages)
    return Raw(
        data=da.moveaxis(data, -1, 1) if colour else data[:, None],
        channels=list(_COLOURS) if colour else [PLAIN],
        units=[""] * (3 if colour else 1),
        reader=f"Pillow {kind}",
        metadata=facts,
    )


def decode(path: str, frame: int) -> np.ndarray:
    """Decode one frame as (height, width) grey or (height, width, 3) colour."""
    with _open(Path(path)) as picture:
        picture.seek(frame)
        if picture.mode in ("LA", "La"):
            picture = picture.convert("RGBA").getchannel("R")
        elif picture.mode not in _GRAY:
            picture = picture.convert("RGBA" if "A" in picture.mode else "RGB").convert("RGB")
        array = np.asarray(picture)
    return array.astype(np.uint8) if array.dtype == bool else array


def _open(path: Path) -> Any:
    """Open a picture without Pillow's size limit, which would refuse a common micrograph."""
    from PIL import Image

    with _GUARD:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = LARGEST
        try:
            return Image.open(path)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
