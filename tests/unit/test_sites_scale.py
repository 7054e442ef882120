"""Spacing and width are read off the image itself."""

import numpy as np
import pytest
from scipy import ndimage

from vaescope import simulate
from vaescope.sites import scale


def picture(name, seed=0):
    return simulate.make(name, seed).image.values[0, 0].astype(float)


@pytest.mark.parametrize(
    ("name", "spacing"),
    [
        ("square?size=160&spacing=5&width=1.1&dose=300", 5),
        ("hexagonal?size=256&spacing=12&width=2", 12),
        ("square?size=256&spacing=24&dose=60", 24),
        ("hexagonal?size=512&spacing=60&width=10", 60),
        ("perovskite", 24 / 2**0.5),  # two sublattices, two grains
        ("perovskite?grain=0&ratio=0.08&ratio1=0.08&polar=0", 24),  # B too weak to count
    ],
)
def test_the_spacing_of_nearest_columns_is_found(name, spacing):
    found = scale.estimate([picture(name)])
    assert found.periodic
    assert found.spacing == pytest.approx(spacing, rel=0.04)


def test_the_width_of_a_column_is_found():
    found = scale.estimate([picture("square?size=256&width=4&spacing=30")])
    assert found.width == pytest.approx(4.0, rel=0.15)


@pytest.mark.parametrize("fault", ["gradient", "line offsets", "hot pixels", "inverted"])
def test_what_goes_wrong_in_a_microscope_does_not_change_the_spacing(fault):
    image = picture("square?size=256&dose=1000")
    rng = np.random.default_rng(0)
    if fault == "gradient":
        image += np.linspace(0, 20 * image.std(), 256)[:, None]
    elif fault == "line offsets":
        image += rng.normal(0, 2 * image.std(), (256, 1))
    elif fault == "hot pixels":
        image[rng.random(image.shape) < 1e-3] = 100 * image.max()
    else:
        image = -image
    assert scale.estimate([image]).spacing == pytest.approx(24, rel=0.04)


def test_atoms_without_order_are_not_taken_for_a_crystal():
    rng = np.random.default_rng(0)
    image = np.zeros((300, 300))
    image[tuple(rng.integers(0, 300, (2, 60)))] = 1
    image = ndimage.gaussian_filter(image, 3) + rng.normal(0, 0.002, image.shape)
    found = scale.estimate([image])
    assert not found.periodic
    assert found.width == pytest.approx(3, rel=0.3)


def test_the_crops_of_a_large_image_lie_in_it_and_are_small():
    for part in scale.crops(3000, 5000):
        assert all(0 <= s.start < s.stop for s in part)
        assert part[0].stop <= 3000 and part[1].stop <= 5000
        assert part[0].stop - part[0].start == 1024
    assert scale.crops(300, 900) == [(slice(0, 300), slice(0, 900))]
