"""Analyse structure: classes and their number, modes, categories, a movie's history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaescope.structure.movie import follow

__all__ = ["follow"]


if not TYPE_CHECKING:  # a type checker is to see what there is not

    def __getattr__(name: str) -> Any:
        """Import what needs torch only on first use: figures and reports do not."""
        if name == "follow":
            from vaescope.structure.movie import follow

            return follow
        raise AttributeError(f"module `vaescope.structure` has no `{name}`")
