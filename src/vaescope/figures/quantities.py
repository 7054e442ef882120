"""What is mapped on the sites: values, unit, colours and limits of every quantity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vaescope import circular
from vaescope.figures.scene import Scene
from vaescope.figures.style import robust_limits
from vaescope.results import ModelResults

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, Normalize

# Prefixes by which lengths are told in readable numbers, in metres.
_LENGTHS = {"m": 1.0, "mm": 1e-3, "µm": 1e-6, "nm": 1e-9, "pm": 1e-12}
_SPELLINGS = {"um": "µm", "μm": "µm", "micron": "µm", "microns": "µm"}


@dataclass
class Quantity:
    """One value per site, ready to be coloured."""

    label: str  # with its unit
    values: np.ndarray  # (site,)
    cmap: str | Colormap
    low: float
    high: float
    ticks: list[float] | None = None

    @property
    def norm(self) -> Normalize:
        """Colour limits as matplotlib takes them."""
        from matplotlib.colors import Normalize

        return Normalize(self.low, self.high)

    @property
    def extend(self) -> str:
        """Which ends of the colour bar stand for values beyond it."""
        finite = self.values[np.isfinite(self.values)]
        if finite.size == 0:
            return "neither"
        slack = 1e-6 * (self.high - self.low)
        below = bool(finite.min() < self.low - slack)
        above = bool(finite.max() > self.high + slack)
        return {(0, 0): "neither", (1, 0): "min", (0, 1): "max", (1, 1): "both"}[below, above]


def sequential(label: str, values: np.ndarray, cmap: str, *, from_zero: bool = False) -> Quantity:
    """A quantity without a distinguished middle."""
    low, high = robust_limits(values)
    if from_zero:
        low, high = 0.0, max(high, 1e-12)
    return Quantity(label, np.asarray(values, dtype=float), cmap, low, high)


def diverging(label: str, values: np.ndarray, cmap: str) -> Quantity:
    """A signed quantity, its zero in the middle of the colours."""
    reach = robust_limits(np.abs(values))[1]
    reach = reach if reach > 0 else 1.0
    return Quantity(label, np.asarray(values, dtype=float), cmap, -reach, reach)


def signed(value: float) -> str:
    """A number with one decimal and a true minus sign."""
    return f"{value:.1f}".replace("-", "−")


def angle(scene: Scene, view: ModelResults) -> Quantity:
    """Consensus angle in degrees.

    Cyclic colours over the whole period where angles fill it; where all sites point nearly the
    same way, a diverging map about their mean, or nothing would be seen.
    """
    degrees = np.rad2deg(view.values("consensus_angle").astype(float))
    period = view.period
    middle = float(circular.mean(degrees, period))
    about = circular.wrap(degrees - middle, period)
    reach = robust_limits(np.abs(about), 2.0)[1]
    modulo = f", mod {period:g}°" if view.symmetry > 1 else ""
    if reach < period / 10:
        return diverging(f"angle from {signed(middle)}° (°{modulo})", about, scene.look.diverging)
    half = period / 2
    return Quantity(
        f"angle (°{modulo})",
        circular.wrap(degrees, period),
        scene.look.cyclic,
        -half,
        half,
        [-half, -half / 2, 0.0, half / 2, half],
    )


def length_scale(scene: Scene, pixels: float, smallest: float = 1.0) -> tuple[float, str]:
    """Factor and unit in which a length of so many pixels is a number of ``smallest`` or more."""
    if not scene.calibrated:
        return 1.0, "px"
    return readable_unit(pixels, scene.pixel_size, scene.unit, smallest)


def readable_unit(
    pixels: float, pixel_size: float, unit: str, smallest: float = 1.0
) -> tuple[float, str]:
    """The same for a pixel of any size; units that are no lengths in metres are kept."""
    unit = _SPELLINGS.get(unit, unit)
    if unit not in _LENGTHS or not np.isfinite(pixels) or pixels <= 0:
        return pixel_size, unit
    metres = pixels * pixel_size * _LENGTHS[unit]
    fitting = [name for name, size in _LENGTHS.items() if metres >= size * smallest * 0.999]
    best = fitting[0] if fitting else "pm"
    return pixel_size * _LENGTHS[unit] / _LENGTHS[best], best


def length(scene: Scene, pixels: np.ndarray) -> tuple[np.ndarray, str]:
    """Lengths given in pixels, in the unit that suits their size."""
    pixels = np.asarray(pixels, dtype=float)
    factor, unit = length_scale(scene, robust_limits(np.abs(pixels))[1])
    return pixels * factor, unit


def offset(scene: Scene, view: ModelResults, axis: int) -> Quantity:
    """Consensus offset of the unit from the fitted site; axis 0 is y (down), 1 is x (right)."""
    both, unit = length(scene, view.values("consensus_offset") * scene.aspect)
    name = ("y offset", "x offset")[axis]
    way = ("down", "right")[axis]
    return diverging(f"{name} ({unit}, + {way})", both[:, axis], scene.look.diverging)


def content(scene: Scene, view: ModelResults, latent: int) -> Quantity:
    """One latent of the consensus; latents have no unit."""
    values = view.values("consensus_content")[:, latent]
    return sequential(f"latent {latent + 1}", values, scene.look.colormap)


def strain(scene: Scene, view: ModelResults, component: int) -> Quantity:
    """One component of the consensus strain in per cent."""
    name = ("xx", "yy", "xy")[component]
    values = 100 * view.values("consensus_strain")[:, component]
    return diverging(f"strain {name} (%)", values, scene.look.diverging)


def spreads(scene: Scene, view: ModelResults) -> list[Quantity]:
    """How far the members of the ensemble disagree at each site, part by part."""
    cmap, found = scene.look.spread, []
    if view.has("angle_spread"):
        values = np.rad2deg(view.values("angle_spread"))
        found.append(sequential("angle spread (°)", values, cmap, from_zero=True))
    if view.has("content_spread"):
        spread = view.values("content_spread")
        total = np.sqrt((np.atleast_2d(spread.reshape(len(spread), -1)) ** 2).sum(axis=1))
        found.append(sequential("latent spread", total, cmap, from_zero=True))
    if view.has("offset_spread"):
        spread = view.values("offset_spread") * scene.aspect
        values, unit = length(scene, np.sqrt((spread**2).sum(axis=1)))
        found.append(sequential(f"offset spread ({unit})", values, cmap, from_zero=True))
    if view.has("strain_spread"):
        spread = 100 * view.values("strain_spread").reshape(len(view.on_frame), -1)
        values = np.sqrt((spread**2).sum(axis=1))
        found.append(sequential("strain spread (%)", values, cmap, from_zero=True))
    if view.has("class_entropy") and view.classes:
        quantity = sequential(
            "class entropy (nats)", view.values("class_entropy"), cmap, from_zero=True
        )
        # At least a tenth of the largest possible, so that rounding is not drawn as doubt.
        quantity.high = max(quantity.high, 0.1 * np.log(max(view.classes, 2)))
        found.append(quantity)
    return found
