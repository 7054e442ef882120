"""An image made of the spectra tells how strong they are; another image does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from vaescope.predict import components, context, gain, predictors

SIZE, ENERGY = 20, np.arange(30)
Y, X = np.indices((SIZE, SIZE)).reshape(2, -1).astype(float)


def resonances(seed: int) -> np.ndarray:
    """(site, energy) : lines of smooth strength, whose energy rises where they are weak."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(SIZE, SIZE)), 2, mode="wrap")
    strength = np.exp(smooth / smooth.std()).ravel()[:, None]
    line = np.exp(-0.5 * ((ENERGY - 15 + 2 * np.log(strength)) / 3) ** 2)
    return strength * line + 0.01 * rng.normal(size=line.shape)


@pytest.mark.parametrize("of", [np.max, np.sum])
def test_strength_follows_from_an_image_made_of_the_spectra(of):
    spectra = resonances(0)
    image = 3 * of(spectra, axis=1).reshape(1, SIZE, SIZE) + 2
    train = X < 12
    basis = components.fit(spectra[train], False, 0)
    found = gain.of_context(context.of_image(image, Y, X, 5), spectra, train, basis)
    assert found is not None
    assert np.corrcoef(found.strength[~train], spectra.max(1)[~train])[0, 1] > 0.99
    shape = predictors.built(context.of_image(image, Y, X, 5), basis.scores(spectra), 0, found)[
        "trees_of_shape"
    ]
    test = np.flatnonzero(~train)
    predicted = basis.spectra(shape(np.flatnonzero(train), test)[0])
    missed = ((predicted - spectra[test]) ** 2).mean()
    assert missed < 0.1 * ((spectra[train].mean(0) - spectra[test]) ** 2).mean()


def test_another_image_tells_no_strength():
    spectra = resonances(1)
    noisy = spectra.sum(1) + 0.3 * spectra.sum(1).std() * np.random.default_rng(0).normal(
        size=len(X)
    )
    basis = components.fit(spectra, False, 0)
    surroundings = context.of_image(noisy.reshape(1, SIZE, SIZE), Y, X, 5)
    assert gain.of_context(surroundings, spectra, X < 12, basis) is None
    assert "trees_of_shape" not in predictors.built(surroundings, basis.scores(spectra), 0)
