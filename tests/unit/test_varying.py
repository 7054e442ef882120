"""What varies within a mode by more than its errors, and what only seems to."""

import numpy as np
import xarray as xr

from vaescope.structure import varying


def latents_of(count=200, seed=0):
    """Two modes: the first has a trait in latent 2, the second angles around the end of a turn."""
    rng = np.random.default_rng(seed)
    noise = 0.1 * rng.standard_normal((2 * count, 2))
    noise[:count, 1] += rng.uniform(-2, 2, count)
    angle = np.concatenate([np.zeros(count), np.pi / 2 + 0.2 * rng.standard_normal(count)])
    angle = (angle + 0.01 * rng.standard_normal(2 * count) + np.pi / 2) % np.pi - np.pi / 2
    site = ("site", "latent")
    return xr.Dataset(
        {
            "mode": ("site", np.repeat([0, 1], count)),
            "consensus_content": (site, noise),
            "content_spread": (site, np.full((2 * count, 2), 0.1)),
            "consensus_angle": ("site", angle, {"units": "rad", "period": np.pi}),
            "angle_spread": ("site", np.full(2 * count, 0.01)),
            "consensus_class": ("site", np.zeros(2 * count)),
        },
        coords={"latent": [1, 2]},
    )


def test_a_trait_is_named_and_errors_alone_are_none():
    found = varying.within(latents_of(), 0)
    assert [one.name for one in found] == ["latent 2"]
    assert 0.8 < found[0].scatter < 1.8 and found[0].error == 0.1 and found[0].unit == ""


def test_angles_are_compared_modulo_their_period_and_given_in_degrees():
    (found,) = varying.within(latents_of(), 1)
    assert (found.name, found.unit) == ("angle", "°")
    np.testing.assert_allclose(found.scatter, np.degrees(0.2), rtol=0.25)


def test_of_a_few_sites_nothing_is_said():
    latents = latents_of(count=varying.FEWEST - 1)
    assert varying.within(latents, 0) == []


def test_values_without_errors_vary_by_nothing_that_is_known():
    latents = latents_of()
    latents["content_spread"][:] = 0.0
    assert varying.within(latents, 0) == []
