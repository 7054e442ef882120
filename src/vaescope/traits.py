"""What sites are, whatever found them: traits that a store carries and that later stages ask for.

Nothing after `sites` asks by which method sites were found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any


@dataclass(frozen=True)
class Traits:
    """Traits of the sites of a dataset; attributes of ``sites.zarr`` and of all made from it.

    ``lattice`` : a lattice lies around every site; its strongest direction is the zero of angles.
    ``atoms`` : a site is a point of that lattice, so that strain is measured between sites, and
    symmetry counts about a site. ``placed`` : a site has a place in an image, so that there are
    maps. ``regular`` : sites form a regular grid of one ``spacing``. ``directed`` : a site has a
    direction of its own. ``windows`` : a site stands for the window about it, whatever lies there;
    neighbouring ones overlap.
    """

    lattice: bool = False
    atoms: bool = False
    placed: bool = True
    regular: bool = False
    directed: bool = False
    windows: bool = False

    def attributes(self) -> dict[str, bool]:
        """The traits as attributes of a store."""
        return asdict(self)


ATOMS = Traits(lattice=True, atoms=True)
WINDOWS = Traits(lattice=True, windows=True)
FRAMES = Traits(placed=False)
PIXELS = Traits(regular=True)
WALLS = Traits(directed=True)

_OF_OLD_METHODS = {"windows": WINDOWS, "frames": FRAMES}


def traits_of(attributes: Mapping[Any, Any]) -> Traits:
    """The traits that the attributes of a store say.

    Stores made before traits were written say a ``method`` alone: all but ``windows`` and
    ``frames`` found atoms.
    """
    usual = _OF_OLD_METHODS.get(str(attributes.get("method")), ATOMS)
    known = [field.name for field in fields(Traits) if field.name in attributes]
    return replace(usual, **{name: bool(attributes[name]) for name in known})
