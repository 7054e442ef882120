"""Findings about a piezoresponse: how its phase was read, and what of its domains can be seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import store
from vaescope.results.coverage import LINES
from vaescope.results.facts import Finding, Severity

if TYPE_CHECKING:
    import xarray as xr

_ONE_DOMAIN = 0.003  # share of the area of the other domain, below which an image has but one
_TURNED = np.radians(20)  # between the offsets of two frames, above which a setting was changed
_MOST = 8  # stripes and frames that are listed
_KEEP = (
    "If these lines are good, set `ingest: bad_lines: keep`; if not, scan the area again, more"
    " slowly or with another tip."
)
_LINES: dict[str, tuple[Severity, str, str, str]] = {
    "lost contrast": (
        "care",
        "The contrast between domains is lost along whole scan lines: {where}.",
        "The response changed at one line and is weaker or of another phase from there on: the tip,"
        " the contact resonance or the drive, and not a switch of domains, whose walls do not keep"
        " to lines.",
        "Do not compare these lines with other frames. " + _KEEP,
    ),
    "jump": (
        "note",
        "Scan lines differ from the lines on either side: {where}.",
        "The tip was disturbed there; walls that seem to be displaced in these lines are not.",
        _KEEP,
    ),
    "tip change": (
        "note",
        "The strength of the response changes at a scan line: {where}.",
        "The tip changed. Domains can be seen on either side; amplitudes of the two sides, and of"
        " frames before and after, are not comparable.",
        _KEEP,
    ),
}


def of_piezoresponse(image: xr.Dataset) -> list[Finding]:
    """Judge the piezoresponse of an image (``image.zarr``); nothing where it has none."""
    made = store.json_attribute(image, "piezoresponse", {})
    said: list[Finding] = []

    def say(kind: str, severity: Severity, says: str, means: str, remedy: str) -> None:
        said.append(Finding(kind, severity, "sites", says, means, remedy))

    responses = made.get("responses", [])
    for response in responses:
        frames = response["frames"]
        of_one = f" of `{response['name']}`" if len(responses) > 1 else ""
        empty = [k for k, frame in enumerate(frames) if frame["states"] == 0]
        if empty:
            say(
                "no piezoresponse",
                "serious",
                f"Amplitude and phase{of_one} are noise{_in(empty, frames)}.",
                "Domains and walls that are found there are none.",
                "Check drive amplitude and frequency, and that the channels are those of the"
                " response.",
            )
        single = [
            k
            for k, frame in enumerate(frames)
            if k not in empty and min(frame["positive"], frame["negative"]) < _ONE_DOMAIN
        ]
        if single:
            say(
                "single domain",
                "note",
                f"The phase{of_one} shows a single domain{_in(single, frames)}.",
                "There are no 180° walls; the phase offset is that of the one domain, and a"
                " constant background of the response cannot be separated from it.",
                "Nothing, if one domain is expected; otherwise a larger area.",
            )
        if unit := response.get("phase_unit_by_values"):
            say(
                "unit of the phase",
                "note",
                f"The phase{of_one} has {unit}.",
                "If this is wrong, domains are mixed up.",
                "Compare the map of the phase with that of the microscope's program.",
            )
        jumps = _jumps(frames)
        if jumps:
            say(
                "phase offset changed",
                "care",
                f"The phase offset{of_one} changes by more than 20° before frame"
                f" {', '.join(map(str, jumps))} (counted from 0).",
                "Drive, contact resonance or tip changed between these frames; the sign is that by"
                " which most of the area stays as it was.",
                "Check the settings of the scans; compare the frames before and after with care.",
            )
    if made.get("other_direction"):
        kept = made.get("direction") or "one direction"
        other = "retrace" if kept == "trace" else "trace"
        say(
            "scans in two directions",
            "note",
            f"The response was scanned in two directions; the {kept} is used.",
            "The other one has the same domains, shifted along the line by the lag of the scanner.",
            f"For the other one, set `ingest: direction: {other}`.",
        )
    masked = float(image.attrs.get(LINES, 0.0)) > 0
    return said + _of_lines(made.get("bad_lines", []), masked)


def _of_lines(frames: list[Mapping[str, Any]], masked: bool) -> list[Finding]:
    """Findings about bad scan lines, one for each kind."""
    said = []
    for kind, (severity, says, means, remedy) in _LINES.items():
        found = {
            k: [(first, last) for first, last, of in frame["stripes"] if of == kind]
            for k, frame in enumerate(frames)
        }
        found = {k: lines for k, lines in found.items() if lines}
        if not found:
            continue
        where = "; ".join(
            _where(lines, frames[k]["axis"]) + (f" of frame {k}" if len(frames) > 1 else "")
            for k, lines in list(found.items())[:_MOST]
        )
        where += f"; and {len(found) - _MOST} more frames" if len(found) > _MOST else ""
        where += " (frames and lines counted from 0)" if len(frames) > 1 else " (counted from 0)"
        kept = " They count as not measured." if masked else " They are kept as they are."
        said.append(
            Finding(kind, severity, "sites", says.format(where=where), means + kept, remedy)
        )
    return said


def _where(lines: list[tuple[int, int]], axis: str) -> str:
    shown = [f"{a}" if a == b else f"{a}–{b}" for a, b in lines[:_MOST]]
    more = f" and {len(lines) - _MOST} more places" if len(lines) > _MOST else ""
    one = len(lines) == 1 and lines[0][0] == lines[0][1]
    noun = {"y": "row", "x": "column"}[axis] + ("" if one else "s")
    return f"{noun} {', '.join(shown)}{more}"


def _in(numbers: list[int], frames: list[Mapping[str, Any]]) -> str:
    """In which frames, in words; empty where there is but one."""
    if len(frames) == 1:
        return ""
    if len(numbers) == len(frames):
        return " in all frames"
    shown = ", ".join(map(str, numbers[:10])) + (", …" if len(numbers) > 10 else "")
    return f" in {'frame' if len(numbers) == 1 else 'frames'} {shown} (counted from 0)"


def _jumps(frames: list[Mapping[str, Any]]) -> list[int]:
    """Frames whose phase offset differs from that of the frame before; at most ten."""
    offsets = np.array([frame["offset"] for frame in frames])
    apart = abs(np.angle(np.exp(1j * np.diff(offsets))))
    return [int(k) + 1 for k in np.flatnonzero(apart > _TURNED)][:10]
