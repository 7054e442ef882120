"""What a recipe says of ensembles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vaescope.settings import Settings, setting


@dataclass(frozen=True)
class EnsembleSettings(Settings):
    """Settings of `ensemble`."""

    PART: ClassVar[str] = "ensemble"

    members: int = setting(
        8, limits=(1, 1000), help="number of models trained from different random starts"
    )
    jobs: int = setting(
        1, limits=(1, 1000), help="number of cluster jobs over which the members are distributed"
    )
