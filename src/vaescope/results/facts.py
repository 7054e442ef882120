"""The contents of ``facts.json``: scores, findings, and how the dataset was made.

The rule ``judge`` writes it once; figures, report and index read it. A copy with the recipe stays
beside every version of the figures, so that old results can be compared with new ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

LAYOUT = 2
"""Of the file; facts of another layout are not read."""

Better = Literal["more", "less", ""]
Unit = Literal["", "share", "strain", "%", "°", "turn", "px", "nats", "dB", "count"]
"""``share`` and ``strain`` are fractions, given in per cent; ``turn`` is a period of angles; of
what has a ``count`` there may be none."""
Place = Literal["table", "quality", "details"]
"""Where the report has a score: in the table of its part, in that of the data's quality, or
nowhere, since other words or the tables beside the results say it."""
Severity = Literal["serious", "care", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "care", "note")
"""From "do not believe it yet" over "read with care" to "good to know"."""


@dataclass(frozen=True)
class Measure:
    """The meaning of a score, declared beside the code that computes it.

    ``words`` : its name for people; ``better`` : which way is better, empty where neither is;
    ``card`` : its place on the card of the dataset on the index, from 1; 0: not there;
    ``sort`` : what it is called where the index is sorted by it; empty: it is not.
    """

    name: str
    words: str
    unit: Unit = ""
    better: Better = ""
    place: Place = "table"
    card: int = 0
    sort: str = ""


@dataclass(frozen=True)
class Score(Measure):
    """A measure with its value. ``about`` : `sites`, `strain: METHOD`, or the name of a model."""

    value: float = 0.0
    about: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing that was found: ``says`` what, ``means`` what for the maps, ``remedy`` against it.

    ``kind`` : a name for programs; ``about`` : `sites`, `strain: METHOD` or the name of a model.
    """

    kind: str
    severity: Severity
    about: str
    says: str
    means: str
    remedy: str


def ordered(found: Iterable[Finding]) -> list[Finding]:
    """Sort findings with the worst first, otherwise as they come."""
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


@dataclass(frozen=True)
class Judgement:
    """The facts of one dataset in types that JSON has.

    ``code_version`` and ``packages`` : what judged, what made the sites; ``data`` : files and their
    SHA-256, reader, size, pixel; ``stores`` : which code made each; ``scores`` : lengths in pixels,
    angles in degrees, shares from 0 to 1; ``findings`` : the worst first; ``scan`` : shares of the
    variance along rows and columns of the image, by model or `strain: METHOD`, then by map;
    ``recipe`` : the resolved one, in the copy beside a version of the figures.
    """

    dataset: str
    code_version: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    stores: dict[str, str] = field(default_factory=dict)
    scores: list[Score] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    scan: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)

    def of(self, about: str) -> dict[str, Score]:
        """Take the scores of one part by their names."""
        return {score.name: score for score in self.scores if score.about == about}

    def value(self, about: str, name: str, default: float = float("nan")) -> float:
        """Take the value of one score; ``default`` where it is not known."""
        score = self.of(about).get(name)
        return default if score is None else score.value

    def text(self) -> str:
        """Write the facts as JSON."""
        known = {"layout": LAYOUT, **asdict(self)}
        return json.dumps(known, indent=1, ensure_ascii=False, default=str) + "\n"


def read(file: Path) -> Judgement | None:
    """Read kept facts; None where there are none of this layout."""
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        if known.pop("layout") != LAYOUT:
            return None
        known = {
            name: known[name] for name in (one.name for one in fields(Judgement)) if name in known
        }
        known["scores"] = [Score(**each) for each in known["scores"]]
        known["findings"] = [Finding(**each) for each in known["findings"]]
        return Judgement(**known)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
