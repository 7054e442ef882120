"""Pack numbers and text for a page: compact, and inert whatever they contain."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# What numpy calls a type, and what the browser does.
_TYPES = {
    "<f4": "Float32Array",
    "<f8": "Float64Array",
    "<i4": "Int32Array",
    "<i2": "Int16Array",
    "<u2": "Uint16Array",
    "|u1": "Uint8Array",
    "|i1": "Int8Array",
}
_EFFORT = 6  # of zlib: above it, seconds buy one per cent


@dataclass
class Blocks:
    """Arrays in blocks; the browser opens a block when it first needs one of its arrays.

    ``texts``: each block's arrays one after the other, the bytes of each array sorted by their
    place in the number (which compresses far better), deflated, in base64.
    """

    texts: list[str] = field(default_factory=list)

    def add(self, arrays: list[np.ndarray]) -> list[dict[str, Any]]:
        """Make one block of some arrays; returns where the browser finds each.

        Raises
        ------
        TypeError : a type that browsers have no array for.
        """
        places: list[dict[str, Any]] = []
        pieces, start = [], 0
        for array in arrays:
            kind = np.dtype(array.dtype).newbyteorder("<").str
            if kind not in _TYPES:
                raise TypeError(f"browsers have no arrays of {array.dtype}")
            little = np.ascontiguousarray(array, dtype=kind).reshape(-1)
            size = little.dtype.itemsize
            sorted_bytes = little.view(np.uint8).reshape(-1, size).T
            pieces.append(np.ascontiguousarray(sorted_bytes).tobytes())
            places.append(
                {
                    "block": len(self.texts),
                    "start": start,
                    "count": little.size,
                    "type": _TYPES[kind],
                    "size": size,
                }
            )
            start += little.nbytes
        packed = zlib.compress(b"".join(pieces), _EFFORT)
        self.texts.append(base64.b64encode(packed).decode())
        return places

    @property
    def bytes(self) -> int:
        """Count the characters that all blocks add to the page."""
        return sum(map(len, self.texts))


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element, whatever words it holds.

    A script element ends at the first ``</script``, and some words open comments in it: so no
    letter that could begin a tag is left, and neither are the line ends that JSON knows and older
    JavaScript does not. Numbers that are not finite become null. Lone surrogates, as undecodable
    names bring them, stay escaped.
    """
    text = json.dumps(_finite(value), ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def script_source(code: str) -> str:
    """Code of our own or of a library, as it may stand between script tags.

    Raises
    ------
    ValueError : it holds what would end or confuse the script element.
    """
    for forbidden in ("</script", "<!--", "<script"):
        if forbidden in code.lower():
            raise ValueError(f"code with {forbidden!r} in it cannot stand inside a page")
    # Parsers make one line end of the others, and the digest is of what they make.
    return code.replace("\r\n", "\n").replace("\r", "\n")


def digest(code: str) -> str:
    """The source expression by which a content security policy allows just this script."""
    found = hashlib.sha256(code.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(found).decode()}'"
