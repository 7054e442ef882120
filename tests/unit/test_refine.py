"""Poses are brought to where the bound is largest, from a guess nearby."""

import pytest
import torch

from vaescope.ensemble.refine import refine
from vaescope.errors import UserError
from vaescope.models.family import Family
from vaescope.models.settings import ModelSettings


def test_a_pose_is_found_again_from_a_guess_nearby():
    chosen = ModelSettings.from_recipe(
        {"variant": "rvae", "shear": True, "scale": True, "refine": 8, "interpolation": "spline"}
    )
    model = Family(1, (1, 24, 24), chosen)
    random = torch.Generator().manual_seed(3)
    axis = torch.linspace(-1, 1, 24)
    blob = torch.exp(-((axis[None] - 0.3) ** 2) / 0.1 - (axis[:, None] / 0.5) ** 2)
    blob = blob + torch.exp(-((axis[None] + 0.4) ** 2 + (axis[:, None] - 0.4) ** 2) / 0.05)
    model.initialise([random], blob.expand(4, 1, 24, 24))
    with torch.no_grad():
        model.decoder.network.last.weight.zero_()  # the pose is all that shows
        model.log_sigma.fill_(-4.0)
    sites = 30
    truth = {
        "angle": 0.1 * torch.randn(1, sites, 1, 1, generator=random),
        "offset": 0.04 * torch.randn(1, sites, 1, 2, generator=random),
        "scale": 0.03 * torch.randn(1, sites, 1, 1, generator=random),
        "shear": 0.03 * torch.randn(1, sites, 1, 1, generator=random),
        "content": torch.randn(1, sites, 1, 2, generator=random),
    }
    turn, told = torch.zeros(1, sites, 1), torch.zeros(1, sites, 0)
    with torch.no_grad():
        poses = model.poses(turn, truth)
        target = model.decode_rows(truth["content"], poses, told)[:, :, 0]
        target[:, -1] = torch.nan
        guess = {
            name: value + 0.02 * torch.randn(value.shape, generator=random)
            for name, value in truth.items()
        }
        found = refine(model, target, turn, guess, told)
    # Content of which hardly anything shows goes to the middle of its prior.
    assert found["content"].abs().mean() < 0.1 * guess["content"].abs().mean()
    for name in ("angle", "offset", "scale", "shear"):
        before = (guess[name] - truth[name])[:, :-1].abs().mean()
        after = (found[name] - truth[name])[:, :-1].abs().mean()
        assert after < before / 5, name
        # Where nothing is known of the target the guess stands.
        assert torch.equal(found[name][:, -1], guess[name][:, -1])


@pytest.mark.parametrize(
    ("given", "said"),
    [({"likelihood": "bernoulli"}, "least squares"), ({"classes": 3}, "with classes")],
)
def test_refinement_is_refused_where_it_would_mean_nothing(given, said):
    with pytest.raises(UserError, match=said):
        ModelSettings.from_recipe({"variant": "rvae", "refine": 3, **given})
