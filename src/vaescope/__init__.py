"""Which local structures are in images, how they vary, where, and how sure is that?

The rooms of the library, bottom to top: ``errors``, ``progress``, ``deformation``; ``store``,
``quantities``, ``results``, ``read``, ``simulate``; ``sites``; ``samples``, ``models``; ``train``;
``ensemble``, ``structure``, ``strain``, ``baselines``; ``explore``; ``scores``, ``judge``;
``figures``, ``explorer``, ``exchange``; ``report``; ``recipes``, ``workflow``, ``notebook``. A room
imports only from rooms below it; none knows of the workflow but ``workflow``. ``Model`` and
``load`` are for notebooks, ``Explorer`` for notebooks and instruments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaescope.explore.explorer import Explorer
    from vaescope.notebook import Model, load

__version__ = "0.1.0"
__all__ = ["Explorer", "Model", "load"]


def __getattr__(name: str) -> Any:
    """Import what notebooks use only when it is asked for: torch takes seconds."""
    if name == "Explorer":
        from vaescope.explore.explorer import Explorer

        return Explorer
    if name in __all__:
        from vaescope import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module `vaescope` has no `{name}`")
