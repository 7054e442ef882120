"""Render templates with escaping always on, and pictures embedded in the page.

A page runs only the scripts of this package that it holds: its policy names their digests, and
nothing else is run, whatever stands in names and notes. It asks nothing of any server.
"""

from __future__ import annotations

import base64
import hashlib
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vaescope import store

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

WIDEST = 1600  # pixels of an embedded figure; the file beside the report has all of them
_SHOWN = 105  # CSS pixels per inch: letters of 9 pt are then as large as small text of the page


@cache
def environment() -> Environment:
    """The templates of this package; undefined names are errors, every value is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("vaescope.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["path"] = lambda text: quote(str(text))
    made.filters["ticked"] = ticked
    return made


def write_page(
    template: str, path: Path, facts: dict[str, Any], scripts: tuple[str, ...] = ("page.js",)
) -> None:
    """Render a template and write the page atomically.

    scripts : files of the templates' folder that the page runs, in this order.
    """
    from markupsafe import Markup

    loader = environment().loader
    assert loader is not None
    texts = [loader.get_source(environment(), name)[0] for name in scripts]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    page = (
        environment()
        .get_template(template)
        .render(
            code_version=store.code_version(),
            scripts=[Markup(text) for text in texts],
            script_policy=" ".join(f"'sha256-{digest}'" for digest in digests) or "'none'",
            **facts,
        )
    )
    # Lone surrogates, as undecodable file names bring them, cannot be written as UTF-8.
    store.write_text(page.encode("utf-8", "replace").decode("utf-8"), path)


def ticked(text: object) -> Markup:
    """Escape text, and set what stands between backticks as code."""
    from markupsafe import Markup, escape

    pieces = str(text).split("`")
    if len(pieces) % 2 == 0:  # a stray backtick: leave all as it is
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if index % 2 else escape(piece)
        for index, piece in enumerate(pieces)
    )


def embedded_figure(file: Path) -> dict[str, Any] | None:
    """A PNG figure, or a GIF with all its frames, as a data address, with the size at which it is
    meant to be seen."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as picture:
            dots = float(picture.info.get("dpi", (100, 100))[0]) or 100.0
            width, height = picture.size
            shown = round(width / dots * _SHOWN)
            if picture.format == "GIF":
                data = _encoded(file.read_bytes(), "image/gif")
            else:
                small = picture.convert("RGB")
                if width > WIDEST:
                    size = WIDEST, round(height * WIDEST / width)
                    small = small.resize(size, Image.Resampling.LANCZOS)
                # What is lost is about a shade of 255, and the page is a third as large; the files
                # beside the report have all.
                options = {"quality": 85, "method": 2, "use_sharp_yuv": True}
                data = _address(small, "WEBP", "image/webp", **options)
    except (OSError, UnidentifiedImageError):
        return None
    return {"data": data, "width": shown}


def embedded_thumbnail(file: Path, widest: int | None = None) -> str | None:
    """A thumbnail as a data address, at most ``widest`` pixels across."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as picture:
            small = picture.convert("RGB")
            if widest is not None:
                small.thumbnail((widest, widest), Image.Resampling.LANCZOS)
            return _address(
                small, "JPEG", "image/jpeg", optimize=True, quality=82 if widest is None else 72
            )
    except (OSError, UnidentifiedImageError):
        return None


def _address(picture, kind: str, mime: str, **options) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return _encoded(buffer.getvalue(), mime)


def _encoded(data: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"
