"""What is said of maps that follow the rows or columns of the image: once, and nothing unknown.

In one image, a distorted scan and a specimen with layers along the scan look alike. What speaks for
either is said: a pattern that keeps step with the lattice is hardly a ripple, and one step is a
boundary; the rest is left to an image with the scan turned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vaescope.judge.scan import COLUMN, ROW, Shares
from vaescope.results.facts import Finding

LATTICE, STEP, ABRUPT, SLOW, FLYBACK = "lattice", "step", "abrupt", "slow", "flyback"
NARROW, FEW = "narrow", "few"  # abrupt or of the lattice, with too few rows or columns to tell
FORMS = (ABRUPT, FLYBACK, NARROW, LATTICE, FEW, STEP, SLOW)  # the most harmful first
HARMFUL = (ABRUPT, FLYBACK, NARROW)
_MOST = 6  # maps that are listed by name
_NUMBERS = {2: "two", 3: "three", 4: "four"}
_SAYS = {
    (ROW, ABRUPT): "Image rows are shifted or scaled against each other, or thin layers lie along"
    " them: {maps} follow the row.",
    (COLUMN, ABRUPT): "A ripple along the scan lines, or thin layers across them: {maps} follow the"
    " column of the image.",
    (COLUMN, FLYBACK): "The start of every scan line is distorted, as after the flyback: {maps}.",
    (ROW, NARROW): "Differs from row to row, in too few rows of atoms to tell how: {maps}.",
    (COLUMN, NARROW): "Differs from column to column, in too few columns of atoms to tell how:"
    " {maps}.",
    (ROW, LATTICE): "Alternates from row to row of atoms, every {period}: {maps}.",
    (COLUMN, LATTICE): "Alternates from column to column of atoms, every {period}: {maps}.",
    (ROW, FEW): "Seems to alternate from row to row of atoms, every {period}, over fewer than a"
    " dozen rows: {maps}.",
    (COLUMN, FEW): "Seems to alternate from column to column of atoms, every {period}, over fewer"
    " than a dozen columns: {maps}.",
    (ROW, STEP): "Has a step along a row of the image: {maps}.",
    (COLUMN, STEP): "Has a step along a column of the image: {maps}.",
    (ROW, SLOW): "Changes slowly from row to row: {maps}.",
    (COLUMN, SLOW): "Changes slowly along the scan lines: {maps}.",
}
_MEANS = {
    ABRUPT: "Do not read bands along the scan, or across it, as strain or structure.",
    FLYBACK: "Leave out the left edge of the image.",
    NARROW: "With fewer than a dozen rows or columns of atoms, shifted scan lines, a ripple, thin"
    " layers and a superstructure look alike.",
    LATTICE: "The crystal or a ripple of the scan; a ripple has no reason to keep step with the"
    " atoms, which speaks for the crystal.",
    FEW: "The crystal or a ripple of the scan; over so few rows or columns a pattern may also seem"
    " to repeat by chance.",
    STEP: "A boundary of the specimen that lies along the scan, or a jump of the scan; a ripple it"
    " is not.",
    SLOW: "Drift, a lag of the scan, or the specimen.",
}


@dataclass
class Change:
    """A pattern along the scan that some maps share: its axis, its form (one of ``FORMS``), the
    rows or columns of atoms after which it repeats (0: it does not), and the ``shares`` of the
    variance by map, one for each method or model that sees it."""

    axis: str
    form: str
    period: int = 0
    shares: dict[str, list[float]] = field(default_factory=dict)

    @property
    def says(self) -> str:
        """The pattern in a sentence."""
        ranked = sorted(self.shares.items(), key=lambda item: -max(item[1]))
        named = [f"{name} ({_range(share)} %)" for name, share in ranked[:_MOST]]
        more = len(ranked) - len(named)
        listed = ", ".join(named) + (f" and {more} more" if more else "")
        period = _NUMBERS.get(self.period, "")
        return _SAYS[self.axis, self.form].format(maps=listed, period=period)


def _range(shares: list[float]) -> str:
    low, high = (min(100 * share, 100) for share in (min(shares), max(shares)))
    return f"{low:.0f}" if round(low) == round(high) else f"{low:.0f}–{high:.0f}"


def form_of(found: Shares, axis: str) -> str:
    """Which of ``FORMS`` the part of a map has that is a function of the row or column."""
    if getattr(found, f"{axis}_period"):
        return FEW if found.narrow(axis) else LATTICE
    if axis == COLUMN and found.start > 0.5:
        return FLYBACK
    if getattr(found, f"{axis}_step"):
        return STEP
    if not found.abrupt(axis):
        return SLOW
    return NARROW if found.narrow(axis) else ABRUPT


def changes(found: Mapping[str, Mapping[str, Shares]]) -> list[Change]:
    """The patterns of all maps, by method or model and by map; the most harmful first."""
    joined: dict[tuple[str, str, int], Change] = {}
    for maps in found.values():
        for name, each in maps.items():
            for axis in (ROW, COLUMN):
                if not each.notable(axis):
                    continue
                form = form_of(each, axis)
                period = int(getattr(each, f"{axis}_period")) if form in (LATTICE, FEW) else 0
                change = joined.setdefault((axis, form, period), Change(axis, form, period))
                change.shares.setdefault(name, []).append(getattr(each, axis))
    return sorted(joined.values(), key=lambda change: FORMS.index(change.form))


def of_scan(found: Mapping[str, Mapping[str, Shares]]) -> list[Finding]:
    """The one finding about maps that follow rows or columns of the image; none where none does.

    found : shares of the variance along rows and columns, by method or model and by map.
    """
    seen = changes(found)
    if not seen:
        return []
    forms = list(dict.fromkeys(change.form for change in seen))
    return [
        Finding(
            "follows the scan",
            "care" if set(forms) & set(HARMFUL) else "note",
            "scan",
            " ".join(change.says for change in seen) + " (Per cent of the variance.)",
            " ".join(_MEANS[form] for form in forms),
            "A scan turned by 90° decides: the specimen turns with it, the scan's own part does"
            " not.",
        )
    ]
