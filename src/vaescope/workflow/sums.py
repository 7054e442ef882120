"""Check sums of results: what was damaged since its job wrote it is named before it is used.

Beside every result lies a hidden file with the size and the CRC-32 of each of its files. A job
looks at its inputs when it begins: at the sizes of all files, and at the contents of all but the
chunks of stores, which carry a check sum of their own (``store.write``). Chunks are compared where
a job fails unexpectedly.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from vaescope import store
from vaescope.errors import UserError

SUFFIX = ".sums"
DAMAGED = "the result is not as its job wrote it: damaged, cut short or changed"
_STORE = "zarr.json"  # in the folder of every store, and of every array in one
_SKIPPED = ".snakemake_timestamp"
_BLOCK = 2**20

Sum = tuple[int, int]  # bytes and CRC-32


def place_of(result: Path) -> Path:
    """The file with the sums of a result."""
    return result.with_name(f".{result.name}{SUFFIX}")


def forget(results: Iterable[str | os.PathLike]) -> None:
    """Remove the sums of results that are about to be made anew."""
    for result in results:
        place_of(Path(result)).unlink(missing_ok=True)


def record(results: Iterable[str | os.PathLike]) -> None:
    """Write the sums of results that a job has made; those that are not there have none."""
    for result in map(Path, results):
        found = {name: _sum(file) for name, file, _ in _files(result)}
        if found:
            store.write_text(json.dumps(found) + "\n", place_of(result))


def refuse_damaged(results: Iterable[str | os.PathLike], *, whole: bool = False) -> None:
    """Refuse results that are not as they were written.

    Parameters
    ----------
    results : that a job reads. Those without sums, of an earlier version of vaescope, pass.
    whole : compare the chunks of stores too.

    Raises
    ------
    UserError : one was damaged, cut short or changed.
    """
    for result in map(Path, results):
        known = _known(result)
        if known is None or not result.exists():
            continue
        found = {name: (file, chunk) for name, file, chunk in _files(result)}
        wrong = next(_differences(known, found, whole), None)
        if wrong:
            raise UserError(
                DAMAGED,
                file=result,
                found=wrong,
                remedy="Delete it and run the workflow again, which makes it anew; if you changed"
                f" it yourself, delete `{place_of(result).name}` beside it",
            )


def _differences(
    known: dict[str, Sum], found: dict[str, tuple[Path, bool]], whole: bool
) -> Iterator[str]:
    """What differs from the sums, in words."""
    for name in sorted(known.keys() | found.keys()):
        words = f"`{name}`" if name else "the file"
        if name not in found:
            yield f"{words} missing"
        elif name not in known:
            yield f"{words}, which was not there"
        else:
            file, chunk = found[name]
            size = file.stat().st_size
            if size != known[name][0]:
                yield f"{words} with {size:,} instead of {known[name][0]:,} bytes"
            elif (whole or not chunk) and _sum(file) != known[name]:
                yield f"{words} with other bytes"


def _known(result: Path) -> dict[str, Sum] | None:
    """The sums of a result; None where there are none that can be read."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        text = place_of(result).read_text(encoding="utf-8")
        return {str(name): (int(size), int(crc)) for name, (size, crc) in json.loads(text).items()}
    return None


def _files(result: Path) -> Iterator[tuple[str, Path, bool]]:
    """The files of a result: path in it, place, and whether it is a chunk of a store."""
    if result.is_file():
        yield "", result, False
        return
    stores: set[str] = set()
    for folder, folders, files in os.walk(result):
        inside = folder in stores or _STORE in files
        stores.update(os.path.join(folder, name) for name in folders if inside)
        for name in files:
            if name != _SKIPPED:
                file = Path(folder, name)
                yield file.relative_to(result).as_posix(), file, inside and name != _STORE


def _sum(file: Path) -> Sum:
    total = size = 0
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            total, size = zlib.crc32(block, total), size + len(block)
    return size, total
