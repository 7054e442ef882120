"""What a decoded curve is worth: a lattice in the field of that course, and a number of its end.

The lattice is that of `simulate.ferrosim`; the field of a curve is along x and goes on, after the
curve's last value, at that value until the lattice has come nearer to rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vaescope import user_function
from vaescope.errors import UserError
from vaescope.explore.objective_settings import ObjectiveSettings
from vaescope.simulate import ferrosim

WORDS = {
    "curl": "sum of the absolute curl of the polarisation",
    "normalised_curl": "sum of the absolute curl of the directions of the polarisation",
    "polarisation": "sum of the absolute polarisation",
}
SETTLING = 1 / 18
"""Time at the last value of a curve, as a share of its duration."""
LONGEST_STEP = 1 / 299
"""Of time, as in the lecture's simulations."""
STABLE = 0.9
"""Share of the longest stable step of a lattice, where that is less."""
BATCH = 200
"""Lattices at once: more do not fit the caches of a processor."""


def defects_of(settings: ObjectiveSettings) -> np.ndarray:
    """Fields (side², 2) of the defects in units of the coercive field."""
    random = np.random.default_rng(settings.defect_seed)
    fields = np.zeros((settings.side**2, 2))
    places = random.choice(len(fields), settings.defects, replace=False)
    fields[places] = random.normal(0, settings.defect_field, (settings.defects, 2))
    return fields


def longest_step(settings: ObjectiveSettings) -> float:
    """Longest step of time in which curves between −1 and 1 are followed."""
    material = ferrosim.of_model(
        settings.lattice, settings.coupling, settings.depolarisation, settings.boundary
    )
    largest = material.largest(settings.amplitude * material.coercive_field)
    return min(LONGEST_STEP, STABLE * material.longest_step(largest))


def course_of(curves: Any, settings: ObjectiveSettings) -> tuple[Any, np.ndarray]:
    """Field (n, step, 2) in units of the coercive field, and times (step,), of curves (n, channel).

    A curve with fewer channels than the solver needs steps is interpolated linearly; then the field
    stays where it is for `SETTLING` of the duration. Differentiable where ``curves`` is a tensor.
    """
    import torch

    given = torch.as_tensor(curves)
    channels = given.shape[-1]
    steps = max(channels, int(np.ceil(settings.duration / longest_step(settings))) + 1)
    if steps != channels:
        given = torch.nn.functional.interpolate(
            given[:, None], size=steps, mode="linear", align_corners=True
        )[:, 0]
    held = given[:, -1:].expand(-1, round(SETTLING * steps))
    along_x = settings.amplitude * torch.cat([given, held], dim=1)
    times = np.arange(along_x.shape[1]) * settings.duration / (steps - 1)
    field = torch.stack([along_x, torch.zeros_like(along_x)], dim=-1)
    return (field if isinstance(curves, torch.Tensor) else field.numpy()), times


def polarisation_of(curves: Any, settings: ObjectiveSettings, **kwargs: Any) -> Any:
    """Polarisation (n, 2, side, side) at the end, or as `ferrosim.run` returns it."""
    field, times = course_of(curves, settings)
    return ferrosim.run(
        field,
        times,
        defects_of(settings),
        settings.side,
        model=settings.lattice,
        coupling=settings.coupling,
        depolarisation=settings.depolarisation,
        boundary=settings.boundary,
        **kwargs,
    )


def number_of(polarisation: Any, settings: ObjectiveSettings) -> Any:
    """The quantity (…,) of polarisations (…, 2, side, side)."""
    if settings.quantity == "polarisation":
        return ((polarisation**2).sum(-3) ** 0.5).sum((-2, -1))
    curl = ferrosim.curl(
        polarisation,
        boundary=settings.boundary,
        normalised=settings.quantity == "normalised_curl",
    )
    return abs(curl).sum((-2, -1))


def of_lattices(
    made: Callable[[np.ndarray], np.ndarray], curves: np.ndarray, at_once: int = BATCH
) -> tuple[np.ndarray, UserError | None]:
    """What ``made`` gives for curves (n, channel), block by block: (n, …), and why some have none.

    NaN where a curve is not finite, or its field too large for the step of time, as that of a
    decoded curve far beyond −1 to 1 can be.
    """
    known: dict[int, np.ndarray] = {}
    refused = None
    finite = np.flatnonzero(np.isfinite(curves).all(1))
    blocks = [b for b in np.split(finite, range(at_once, len(finite), at_once)) if len(b)][::-1]
    while blocks:
        block = blocks.pop()
        try:
            known.update(zip(block.tolist(), made(curves[block]), strict=True))
        except UserError as error:
            if len(block) > 1:
                blocks += [*np.array_split(block, 2)][::-1]
                continue
            refused = error
    found = np.full((len(curves), *np.shape(next(iter(known.values()), np.nan))), np.nan)
    for row, value in known.items():
        found[row] = value
    return found, refused


class Objective:
    """Value of decoded curves.

    Parameters
    ----------
    settings : what is sought. axis : (channel,) of the curves, for a function of the user's.
    """

    def __init__(self, settings: ObjectiveSettings, axis: np.ndarray) -> None:
        self.settings, self.axis = settings, np.asarray(axis)
        self.function = user_function.load(settings.function, f"{settings.PART}.function")
        self.refused: UserError | None = None

    @property
    def words(self) -> str:
        """What a value is."""
        name = (self.settings.function or "").rpartition(":")[2]
        return WORDS.get(self.settings.quantity, f"“{name}” of decoded curves")

    def digest(self) -> str:
        """Changes with the text of the user's function."""
        return user_function.digest(self.function)

    def __call__(self, curves: np.ndarray) -> np.ndarray:
        """Values (n,) of curves (n, channel); NaN where there is none.

        Raises
        ------
        UserError : the user's function fails or returns something else than a number for each.
        """
        curves = np.asarray(curves, np.float32)
        if self.function is not None:
            name = f"{self.settings.PART}.function"
            own = user_function.numbers(self.function, name, len(curves), curves, self.axis)
            return np.where(np.isfinite(own), own, np.nan)
        found, self.refused = of_lattices(
            lambda some: np.asarray(number_of(polarisation_of(some, self.settings), self.settings)),
            curves,
        )
        return found
