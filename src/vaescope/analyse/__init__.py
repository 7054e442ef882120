"""From trained members to maps with error bars: encode, fix the gauge, align, agree, criticise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaescope.analyse.maps import map_latents
    from vaescope.analyse.movie import follow

__all__ = ["follow", "map_latents"]


def __getattr__(name: str) -> Any:
    """Import what needs torch only when it is asked for: figures and reports do not."""
    if name == "map_latents":
        from vaescope.analyse.maps import map_latents

        return map_latents
    if name == "follow":
        from vaescope.analyse.movie import follow

        return follow
    raise AttributeError(f"module `vaescope.analyse` has no `{name}`")
