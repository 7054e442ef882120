"""What passes between stages: xarray Datasets in Zarr v3 stores, written whole or not at all.

Everything is written beside its place and renamed into it, so that a reader never meets half a
result. A store carries a mark of completeness and its provenance in its attributes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from glob import escape as glob_escape
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaescope import progress
from vaescope.errors import UserError

if TYPE_CHECKING:
    import xarray as xr

COMPLETE = "vaescope_complete"
PROVENANCE = "provenance"
_VARIABLES = "vaescope_variables"
_CHUNK_BYTES = 4e6
_RECORDED_PACKAGES = (
    "botorch",
    "dask",
    "gpytorch",
    "numpy",
    "rosettasciio",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "torch",
    "xarray",
    "zarr",
)


@contextmanager
def replace_atomically(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a path beside ``path``; what was written there takes its place when the block ends.

    Works for files and folders. If the block raises, nothing of it stays and the old content of
    ``path`` is untouched. What a killed writer of the same target left beside it is swept away.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    for kind in ("tmp", "old"):
        for leftover in target.parent.glob(f".{glob_escape(target.name)}.{kind}-*"):
            _remove(leftover)
    beside = target.parent / f".{target.name}.tmp-{uuid.uuid4().hex[:12]}"
    old = target.parent / f".{target.name}.old-{uuid.uuid4().hex[:12]}"
    try:
        yield beside
        if target.is_dir() and not target.is_symlink():
            # A folder cannot be replaced in one step: the old one is moved aside first, so that a
            # kill between the two leaves no store at all rather than a mixture.
            target.rename(old)
        beside.rename(target)
    finally:
        _remove(beside)
        _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def write_text(text: str, path: str | os.PathLike) -> None:
    """Write a text file (UTF-8) atomically."""
    with replace_atomically(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write(
    dataset: xr.Dataset, path: str | os.PathLike, *, provenance: dict[str, Any] | None = None
) -> None:
    """Write ``dataset`` as a Zarr v3 store, atomically.

    Parameters
    ----------
    dataset : any xarray Dataset; Dask arrays are computed chunk by chunk.
    path : the store's folder; an old store there is replaced.
    provenance : JSON-able facts about how it was made; package and code versions are added.
    """
    from zarr.codecs import ZstdCodec

    facts = {
        "code_version": code_version(),
        "packages": package_versions(),
        **(provenance or {}),
    }
    clean = dataset.drop_encoding()
    for variable in clean.variables.values():
        # Strings that came from a store are objects of variable length: fix their width again.
        if variable.dtype.kind == "O" and variable.size:
            variable.data = variable.values.astype(str)
        # A chunk that is not as it was written is an error when it is read.
        variable.encoding["compressors"] = [ZstdCodec(checksum=True)]
        if variable.chunks is None and "site" in variable.dims:
            variable.encoding["chunks"] = _blocks_of_sites(variable)
    names = [str(name) for name in clean.variables]
    about = {_VARIABLES: json.dumps(names), PROVENANCE: json.dumps(facts), COMPLETE: True}
    clean.attrs = {**dataset.attrs, **about}
    written = progress.chunks(f"writing {Path(path).name}")
    with replace_atomically(path) as beside, _quiet_about_strings(), written:
        # Absolute, since workers of a Dask scheduler may have been started anywhere.
        clean.to_zarr(
            beside.absolute(), mode="w", zarr_format=3, consolidated=False, align_chunks=True
        )


def _blocks_of_sites(variable: xr.Variable) -> tuple[int, ...]:
    """Chunks that divide the sites alone, so that some sites are read without the others."""
    sites = max(variable.sizes["site"], 1)
    block = max(int(_CHUNK_BYTES / max(variable.nbytes / sites, 1)), 1)
    return tuple(min(block, n) if d == "site" else n for d, n in variable.sizes.items())


def open(path: str | os.PathLike) -> xr.Dataset:
    """Open a store lazily (Dask chunks as stored).

    Raises
    ------
    UserError : there is no store, it is incomplete, or another program made it.
    """
    import xarray as xr

    path = Path(path)
    with _readable(path), warnings.catch_warnings():
        # Snakemake leaves a time stamp in a folder that is an output of a rule.
        warnings.filterwarnings("ignore", message="Object at .snakemake_timestamp")
        dataset = xr.open_zarr(path.absolute(), consolidated=False, chunks={})
    _refuse_incomplete(path, dataset.attrs)
    return _in_order(dataset)


def _in_order(dataset: xr.Dataset) -> xr.Dataset:
    """The variables in the order in which they were written, whatever that of the folder."""
    import xarray as xr

    names = json_attribute(dataset, _VARIABLES, [])
    place = {name: number for number, name in enumerate(names)}
    known = sorted(
        map(str, dataset.variables), key=lambda name: (place.get(name, len(place)), name)
    )
    columns, coordinates = (
        {name: dataset.variables[name] for name in known if name in some}
        for some in (dataset.data_vars, dataset.coords)
    )
    attrs = {name: value for name, value in dataset.attrs.items() if name != _VARIABLES}
    return xr.Dataset(columns, coordinates, attrs)


def attributes(path: str | os.PathLike) -> dict[str, Any]:
    """The attributes of a store, without the libraries that read its arrays.

    Raises
    ------
    UserError : as ``open``.
    """
    path = Path(path)
    with _readable(path):
        found = json.loads((path / "zarr.json").read_text(encoding="utf-8"))["attributes"]
    _refuse_incomplete(path, found)
    return {name: value for name, value in found.items() if name != _VARIABLES}


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Refuse a store that is not there, or that the block cannot read."""
    if not path.is_dir():
        raise UserError(
            "there is no such store",
            file=path,
            remedy="Run the workflow again; it makes what is missing",
        )
    try:
        yield
    except Exception as error:
        raise UserError(
            "the store cannot be read",
            file=path,
            found=f"{type(error).__name__}: {error}"[:300],
            expected="a complete Zarr v3 store",
            remedy="Delete this folder and run the workflow again",
        ) from error


def _refuse_incomplete(path: Path, attributes: Mapping[Any, Any]) -> None:
    if not attributes.get(COMPLETE):
        raise UserError(
            "the store is half-written or was not made by vaescope",
            file=path,
            remedy="Delete this folder and run the workflow again",
        )


@contextmanager
def _quiet_about_strings() -> Iterator[None]:
    """Zarr warns that its way of storing names of channels is not yet in the specification; the
    lock pins the version of Zarr that writes and reads them alike."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have a Zarr V3 specification")
        yield


def provenance(made: xr.Dataset | Path) -> dict[str, Any]:
    """How an open store, or the one in a folder, was made: code and package versions, settings,
    seed, digests of the source."""
    attrs = attributes(made) if isinstance(made, Path) else made.attrs
    return json.loads(attrs.get(PROVENANCE, "{}"))


def json_attribute(dataset: xr.Dataset, name: str, empty: Any) -> Any:
    """An attribute that holds JSON; ``empty`` where it is absent or unreadable."""
    try:
        value = json.loads(dataset.attrs.get(name, "null"))
    except (TypeError, ValueError):
        return empty
    return value if isinstance(value, type(empty)) else empty


def digest(value: Any) -> str:
    """Hexadecimal SHA-256 of any JSON-able value; the order of keys does not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def code_version() -> str:
    """Version of the package and the first ten digits of the SHA-256 over its source files."""
    import vaescope

    root = Path(vaescope.__file__).parent
    total = hashlib.sha256()
    for file in sorted(root.rglob("*")):
        if file.suffix in {".py", ".mplstyle", ".html", ".css", ".js", ".jinja"}:
            total.update(file.relative_to(root).as_posix().encode())
            total.update(file.read_bytes())
    return f"{vaescope.__version__}+{total.hexdigest()[:10]}"


@cache
def package_versions() -> dict[str, str]:
    """Versions of the packages on which results depend."""
    found = {}
    for name in _RECORDED_PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
