"""The results of one dataset: what lies in its folder, and how it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaescope.results.model import ModelResults
    from vaescope.results.stores import Results

__all__ = ["ModelResults", "Results"]


if not TYPE_CHECKING:  # a type checker is to see what there is not

    def __getattr__(name: str) -> Any:
        """Import what opens stores only when it is asked for: a plan needs their names alone."""
        if name == "Results":
            from vaescope.results.stores import Results

            return Results
        if name == "ModelResults":
            from vaescope.results.model import ModelResults

            return ModelResults
        raise AttributeError(f"module `vaescope.results` has no `{name}`")
