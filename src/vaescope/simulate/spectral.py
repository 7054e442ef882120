"""The spectrum images that can be simulated."""

from __future__ import annotations

from vaescope.simulate import plasmons
from vaescope.simulate.spectra import SpectrumSystem

SPECTRA: dict[str, SpectrumSystem] = {
    "plasmons": SpectrumSystem(
        plasmons.plasmons,
        plasmons.Plasmons(),
        axis=("energy loss", "eV"),
        signal=("electrons per channel", "1"),
        picture=("detected electrons", "1"),
        truths=plasmons.TRUTHS,
        names={"kind": plasmons.KINDS},
        counts=True,
    ),
}
