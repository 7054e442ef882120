"""From trained members to maps with error bars: encode, fix the gauge, align, agree, criticise."""

from vaescope.analyse.maps import map_latents

__all__ = ["map_latents"]
