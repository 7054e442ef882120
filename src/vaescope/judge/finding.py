"""What a finding is, and in which order findings are told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["serious", "care", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "care", "note")
"""From "do not believe it yet" over "read with care" to "good to know"."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found: ``says`` what, ``means`` what for the maps, ``remedy`` against it.

    ``about`` : `sites`, `strain: METHOD` or the name of a model; ``kind`` : a name for programs.
    """

    kind: str
    severity: Severity
    about: str
    says: str
    means: str
    remedy: str


def ordered(found: Iterable[Finding]) -> list[Finding]:
    """The worst first, otherwise as they come."""
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))
