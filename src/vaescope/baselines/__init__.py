"""Classical methods on the patches that the models see, all from libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaescope.baselines.methods import METHODS
from vaescope.baselines.settings import BaselineSettings

if TYPE_CHECKING:
    from vaescope.baselines.fit import run

__all__ = ["METHODS", "BaselineSettings", "run"]


if not TYPE_CHECKING:  # a type checker is to see what there is not

    def __getattr__(name: str) -> Any:
        """Import what fits only when it is asked for: a plan of a run needs the names alone."""
        if name == "run":
            from vaescope.baselines.fit import run

            return run
        raise AttributeError(f"module `vaescope.baselines` has no `{name}`")
