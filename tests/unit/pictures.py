"""Small pictures of local structures with known pose, made for the tests of models and maps."""

import numpy as np
import xarray as xr


def spots(places, side=20, width=0.14, weights=None):
    """Gaussian spots at places (spot, 2) as (x, y), y down, in units of half the side."""
    axis = (np.arange(side) + 0.5) * (2 / side) - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    weights = np.ones(len(places)) if weights is None else weights
    return sum(
        w * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * width**2))
        for (px, py), w in zip(places, weights, strict=True)
    )


def turn(places, angle):
    """Turn places counter-clockwise as seen on the screen (y points down)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(places) @ np.array([[c, s], [-s, c]]).T


COMMA = np.array([[0.0, 0.0], [0.6, 0.0], [0.35, -0.5]])  # no symmetry at all
DUMBBELL = np.array([[-0.45, 0.0], [0.45, 0.0], [0.0, 0.0]])


def ring(n, radius=0.6):
    """A spot in the centre and n around it."""
    angle = np.arange(n) * 2 * np.pi / n
    return np.vstack([[0, 0], np.stack([radius * np.cos(angle), -radius * np.sin(angle)], 1)])


def as_patches(pictures, **truth):
    """Pictures (site, side, side) as the Dataset of ``samples.zarr``."""
    count, side = len(pictures), pictures.shape[-1]
    places = np.arange(count)
    return xr.Dataset(
        {
            "patch": (("site", "channel", "py", "px"), pictures[:, None].astype(np.float32)),
            **{f"truth_{name}": ("site", values) for name, values in truth.items()},
        },
        coords={
            "site": places,
            "py": np.arange(side) - (side - 1) / 2,
            "px": np.arange(side) - (side - 1) / 2,
            "frame": ("site", np.zeros(count, int)),
            "y": ("site", (places // 20) * 10.0),
            "x": ("site", (places % 20) * 10.0),
        },
        attrs={"pitch": 1.0, "spacing": 8.0, "pixel_size": 1.0, "pixel_unit": "px"},
    )


def turned_commas(count=240, side=18, noise=0.05, seed=0):
    """Commas at any angle of the circle, with noise: patches and their angles."""
    random = np.random.default_rng(seed)
    angle = random.uniform(-np.pi, np.pi, count)
    pictures = np.stack([spots(turn(COMMA, a), side) for a in angle])
    return as_patches(pictures + noise * random.standard_normal(pictures.shape)), angle
