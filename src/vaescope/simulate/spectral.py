"""The spectrum images that can be simulated."""

from __future__ import annotations

from vaescope.simulate import edges, loops, particles, plasmons, trajectories
from vaescope.simulate.recordings import SpectrumSystem

_ELECTRONS = ("detected electrons", "1")

SPECTRA: dict[str, SpectrumSystem] = {
    "plasmons": SpectrumSystem(
        plasmons.plasmons,
        plasmons.Plasmons(),
        axis=("energy loss", "eV"),
        signal=("electrons per channel", "1"),
        picture=_ELECTRONS,
        truths=plasmons.TRUTHS,
        names={"kind": plasmons.KINDS},
        counts=True,
    ),
    "particles": SpectrumSystem(
        particles.particles,
        particles.Particles(),
        axis=("channel", "1"),
        signal=("scattered light", "1"),
        picture=_ELECTRONS,
        truths=particles.TRUTHS,
        names={"kind": particles.KINDS},
        counts=True,
    ),
    "eels-interface": SpectrumSystem(
        edges.eels_interface,
        edges.EelsInterface(),
        axis=("energy loss", "eV"),
        signal=("electrons per channel", "1"),
        picture=_ELECTRONS,
        truths=edges.TRUTHS,
        counts=True,
    ),
    "loops": SpectrumSystem(
        loops.loops,
        loops.Loops(),
        axis=("bias", "V"),
        signal=("piezoresponse", "1"),
        picture=("piezoresponse", "1"),
        truths=loops.TRUTHS,
        names={"domain": loops.DOMAINS},
    ),
    "trajectories": SpectrumSystem(
        trajectories.trajectories,
        trajectories.Trajectories(),
        axis=("time", "1"),
        signal=("field", "1"),
        picture=("mean field", "1"),
        truths=trajectories.TRUTHS,
        names={"wrong": trajectories.BELONGS},
        image_from="mean over time",
        calibrated=False,
    ),
}
