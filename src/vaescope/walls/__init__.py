"""Domain walls of ferroelectrics: found in the piezoresponse, described, followed between frames.

Arrays in, arrays and data classes out; nothing here knows stores or sites.
"""

from __future__ import annotations
