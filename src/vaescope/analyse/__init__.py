"""From trained members to maps with error bars: encode, fix the gauge, align, agree, criticise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaescope.analyse.maps import map_latents

__all__ = ["map_latents"]


def __getattr__(name: str) -> Any:
    """Import what needs torch only when it is asked for: figures and reports do not."""
    if name in __all__:
        from vaescope.analyse import maps

        return getattr(maps, name)
    raise AttributeError(f"module `vaescope.analyse` has no `{name}`")
