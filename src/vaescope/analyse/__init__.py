"""From trained members to maps with error bars: encode, fix the gauge, align, agree, criticise."""

from vaescope.analyse.maps import map_latents
from vaescope.analyse.movie import follow

__all__ = ["follow", "map_latents"]
