"""What lies in a file itself: links to other files are not followed.

A source is what its row of the sample sheet names, and what its fingerprint was made of. HDF5
files, OME-TIFF and folders of Zarr can point to any other file of the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from xml.etree import ElementTree

import h5py

from vaescope.errors import UserError
from vaescope.read.at_once import refuse_large

_REMEDY = "Copy what it points to into the file itself (`h5repack` does that for HDF5)"
_UNWRITTEN = 1e9  # bytes of an array of which nothing was ever written


def own(dataset: h5py.Dataset) -> bool:
    """Whether the numbers of an HDF5 dataset lie in its own file."""
    return not (dataset.external or dataset.is_virtual)


def groups(parent: h5py.Group) -> Iterator[tuple[str, h5py.Group]]:
    """The groups in a group of an HDF5 file, without links to elsewhere."""
    for name in parent:
        if isinstance(parent.get(name, getlink=True), h5py.HardLink):
            node = parent[name]
            if isinstance(node, h5py.Group):
                yield name, node


def scale_of(dimension: Any) -> h5py.Dataset | None:
    """The first scale of a dimension of an HDF5 dataset, if it has one in its own file."""
    scale = dimension[0] if len(dimension) else None
    return scale if scale is not None and own(scale) else None


def refuse_hollow(path: Path, dataset: h5py.Dataset) -> None:
    """Refuse a dataset that is packed in chunks too large for the memory, or that was announced and
    never written.

    Raises
    ------
    UserError : it is.
    """
    if dataset.chunks and dataset.id.get_create_plist().get_nfilters():
        refuse_large(path, dataset.chunks, dataset.dtype, f"a chunk of `{dataset.name}`")
    if dataset.nbytes > _UNWRITTEN and not dataset.id.get_storage_size():
        raise UserError(
            f"nothing was ever written into the array `{dataset.name}`",
            file=path,
            found=f"an empty array of {dataset.nbytes / 1e9:,.1f} GB",
            remedy="Copy the file again, or take the row out of the sample sheet",
        )


def refuse_links(path: Path) -> None:
    """Refuse an HDF5 file that points to others, for readers that would follow.

    Raises
    ------
    UserError : it has external links, or datasets whose numbers lie elsewhere.
    """
    if not path.is_file() or not h5py.is_hdf5(path):
        return
    with h5py.File(path, "r") as file:

        def visit(name: str, link: Any) -> str | None:
            if isinstance(link, h5py.ExternalLink):
                return name
            if isinstance(link, h5py.HardLink):
                node = file[name]
                if isinstance(node, h5py.Dataset) and not own(node):
                    return name
            return None

        found = file.visititems_links(visit)
    if found is not None:
        raise UserError(
            "the file points to other files, which are not read",
            file=path,
            found=f"`{found}`",
            expected="a file that holds all of its data",
            remedy=_REMEDY,
        )


def refuse_links_of_folder(folder: Path) -> None:
    """Refuse a folder of Zarr with links out of it.

    Raises
    ------
    UserError : it has some.
    """
    root = folder.resolve()
    for one in folder.rglob("*"):
        if one.is_symlink() and not one.resolve().is_relative_to(root):
            raise UserError(
                "the folder points to other files, which are not read",
                file=folder,
                found=f"the link `{one.relative_to(folder)}`",
                remedy="Replace the link by what it points to",
            )


def refuse_files_elsewhere(path: Path, ome: str | None) -> None:
    """Refuse an OME-TIFF whose description names files in other folders than its own.

    Raises
    ------
    UserError : it does.
    """
    if not ome:
        return
    for node in ElementTree.fromstring(ome).iter():
        name = node.get("FileName") or ""
        if name != PurePosixPath(name).name or name != PureWindowsPath(name).name:
            raise UserError(
                "the file points to files in other folders, which are not read",
                file=path,
                found=f"`{name}`",
                expected="files of its own folder",
                remedy="Save the images as one file",
            )
