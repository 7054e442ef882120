"""From trained members to maps with error bars: encode, fix the gauge, align, agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaescope.ensemble.mapping import map_latents

__all__ = ["map_latents"]


if not TYPE_CHECKING:  # a type checker is to see what there is not

    def __getattr__(name: str) -> Any:
        """Import what needs torch only when it is asked for: figures and reports do not."""
        if name == "map_latents":
            from vaescope.ensemble.mapping import map_latents

            return map_latents
        raise AttributeError(f"module `vaescope.ensemble` has no `{name}`")
