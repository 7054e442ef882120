"""The angle that spectra alone say: which symmetry they have, how well, and if at all."""

import numpy as np
import pytest

from vaescope.ensemble.angle_of_spectra import SpectrumAngle, angle_of_spectra

COUNT, CHANNELS = 240, 24


def turning(order: int, seed: int, blind: bool = False, mirrored: bool = False):
    """Counts of light that follows cos(order θ) in shapes of its own, of objects of two sizes of
    signal; ``blind``: at no angle, ``mirrored``: alike at θ and -θ."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-np.pi, np.pi, COUNT)
    at = np.arange(CHANNELS)
    size = rng.uniform(0.5, 2, COUNT)[:, None]
    colour = rng.uniform(6, 18, COUNT)[:, None]
    line = np.exp(-0.5 * ((at - colour) / 5) ** 2) + 0.2
    about = (at % 4) * np.pi / (2 if order == 1 else 4) * order
    if mirrored:
        about = 0 * about
    wave = 0 if blind else 0.7 * np.cos(order * angle[:, None] - about)
    spectra = rng.poisson(100 * size * line * (1 + wave)).astype(np.float32)
    held_out = np.arange(COUNT) % 3 == 0
    label = angle + np.radians(2) * rng.normal(size=COUNT)  # patches know it to two degrees
    return spectra, angle, label, held_out


def learned(spectra, label, held_out, symmetry=1) -> SpectrumAngle:
    return angle_of_spectra(lambda rows: spectra[rows], label, ~held_out, symmetry, counts=True)


def apart(found: SpectrumAngle, angle: np.ndarray) -> np.ndarray:
    return np.angle(np.exp(1j * found.order * (found.angle - angle))) / found.order


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_symmetry_of_a_spectrum_is_found_and_its_angle_with_the_right_error(order):
    inside = []
    for seed in range(3):
        spectra, angle, label, held_out = turning(order, seed)
        found = learned(spectra, label, held_out)
        assert found.order == order
        off = np.abs(apart(found, angle))
        assert off[held_out].mean() < np.radians(6 / order)
        inside.append(off < found.error)
    # Four standard errors of 720 sites about 68 %, and some for errors that sites share.
    assert 0.58 < np.mean(inside) < 0.80


def test_a_symmetry_of_the_patches_is_one_of_the_angle():
    spectra, angle, label, held_out = turning(2, 5)
    half = label + np.pi * np.random.default_rng(0).integers(2, size=COUNT)
    found = learned(spectra, half, held_out, symmetry=2)
    assert found.order == 2
    assert np.abs(apart(found, angle))[held_out].mean() < np.radians(3)


@pytest.mark.parametrize("seed", range(3))
def test_spectra_that_are_alike_at_all_angles_know_none(seed):
    spectra, _, label, held_out = turning(2, seed, blind=True)
    found = learned(spectra, label, held_out, symmetry=2)
    assert found.nats == 0
    assert found.error.min() > np.radians(50)  # 52 is that of any angle modulo 180


def test_two_angles_with_one_spectrum_have_large_errors():
    spectra, angle, label, held_out = turning(2, 1, mirrored=True)
    found = learned(spectra, label, held_out, symmetry=2)
    off = np.abs(apart(found, angle))[held_out]
    assert (off < found.error[held_out]).mean() > 0.55
    assert np.median(found.error) > np.radians(15)


def test_too_few_sites_or_dead_spectra_teach_nothing():
    spectra, _, label, held_out = turning(2, 0)
    assert learned(spectra, label, np.arange(COUNT) > 10, symmetry=2).nats == 0
    assert learned(0 * spectra, label, held_out, symmetry=2).nats == 0
