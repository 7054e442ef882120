"""The network of coordinates goes patch by patch on a CPU: the numbers must be those of layers."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from vaescope.models.field import field

sizes = st.integers(1, 5)


def layers(features, shifts, weights):
    hidden = features
    for shift, weight in zip(shifts[:-1], weights[:-1], strict=True):
        hidden = functional.silu(hidden @ weight.unsqueeze(1) + shift.unsqueeze(2))
    return hidden @ weights[-1].unsqueeze(1) + shifts[-1].unsqueeze(2)


@given(sizes, sizes, sizes, sizes, sizes, sizes, st.integers(2, 5), st.integers(0, 99))
def test_values_and_gradients_are_those_of_plain_layers(
    members, rows, pixels, inputs, hidden, outputs, depth, seed
):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        values = torch.randn(shape, generator=generator, dtype=torch.float64)
        return values.requires_grad_()

    features = draw(members, rows, pixels, inputs)
    widths = (*[hidden] * depth, outputs)
    shifts = tuple(draw(members, rows, width) for width in widths)
    weights = tuple(draw(members, a, b) for a, b in zip((inputs, *widths), widths, strict=False))
    ours, plain = (f(features, shifts, weights) for f in (field, layers))
    torch.testing.assert_close(ours, plain)
    with torch.no_grad():
        torch.testing.assert_close(field(features, shifts, weights), plain)
    upstream = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    leaves = (features, *shifts, *weights)
    for mine, right in zip(
        torch.autograd.grad(ours, leaves, upstream),
        torch.autograd.grad(plain, leaves, upstream),
        strict=True,
    ):
        torch.testing.assert_close(mine, right)
