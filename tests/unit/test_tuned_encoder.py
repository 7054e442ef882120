"""Encoders tuned to a target: what the content lacks is found in the patches, and noise is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vaescope import Explorer, Model
from vaescope.explore import deep_kernel, tuned_encoder

COUNT, SIDE, KNOWN = 400, 12, 120


@pytest.fixture(scope="module")
def seen():
    """Patches of a spot of some width with a faint one beside it, and what a model says of them."""
    rng = np.random.default_rng(0)
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    width, faint = (rng.uniform(low, high, (COUNT, 1, 1)) for low, high in ((1.5, 3), (0, 1)))
    pictures = np.exp(-(x**2 + y**2) / (2 * width**2))
    pictures += 0.15 * faint * np.exp(-((x - 3) ** 2 + (y - 2) ** 2) / 2)
    pictures += 0.02 * rng.normal(size=pictures.shape)
    pictures = pictures.astype(np.float32)
    model = Model("rvae", latent=2, steps=80, hidden=32, turns=4).fit(pictures)
    content = np.asarray(model.encode(pictures).content[:], float)
    patches = tuned_encoder.patches(model.best, model._data(pictures, {}, model.best))
    known = {"content": content, "place": rng.uniform(0, 9, (COUNT, 2))}
    return patches, known, faint[:, 0, 0]


def test_an_encoder_starts_with_the_content_of_the_model(seen):
    patches, known, _ = seen
    np.testing.assert_allclose(patches.content, known["content"], atol=1e-4)
    encoder = tuned_encoder.TunedEncoder(patches)
    rows = torch.arange(50)
    assert float(encoder(rows).detach().abs().max()) < 1e-5
    assert float(encoder.penalty().detach()) == 0
    encoder(rows).square().sum().add(encoder(rows).sum()).backward()
    assert any(float(p.grad.abs().max()) > 0 for p in encoder.parameters() if p.grad is not None)
    assert not any(p.requires_grad for p in patches.encoder.parameters())


def test_a_tuned_encoder_finds_what_the_content_lacks(seen):
    patches, known, faint = seen
    rows = np.random.default_rng(1).permutation(COUNT)[:KNOWN]
    before = {name: tensor.clone() for name, tensor in patches.encoder.state_dict().items()}
    bent = deep_kernel.bend(known, rows, faint[rows], patches=patches)
    assert not bent.fallen
    for name, tensor in patches.encoder.state_dict().items():
        torch.testing.assert_close(tensor, before[name], msg=name)

    def off(descriptions):
        explorer = Explorer(descriptions, combine="sum", transform="none")
        explorer.tell(rows, faint[rows])
        return np.sqrt(((explorer.predict()[0] - faint) ** 2).mean()) / faint.std()

    assert off(bent.descriptions) < 0.8 * off(known)


def test_tuning_is_the_same_every_time(seen, monkeypatch):
    patches, known, faint = seen
    monkeypatch.setattr(deep_kernel, "_STEPS", 20)
    monkeypatch.setattr(deep_kernel, "_SURE", -100.0)
    first, again = (
        deep_kernel.bend(known, np.arange(30), faint[:30], patches=patches) for _ in range(2)
    )
    assert not first.fallen
    np.testing.assert_array_equal(first.descriptions["content"], again.descriptions["content"])


def test_a_tuned_encoder_is_given_up_where_values_follow_from_nothing(seen):
    patches, known, _ = seen
    value = np.random.default_rng(2).normal(size=COUNT)
    bent = deep_kernel.bend(known, np.arange(80), value[:80], patches=patches)
    assert "no better" in bent.fallen
    assert bent.descriptions is known
    assert bent.densities[0] > bent.densities[1]
