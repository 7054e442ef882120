"""Spectra predicted from patches, whichever way the structure is turned."""

import numpy as np
import pytest
import torch
import xarray as xr

from vaescope import train
from vaescope.ensemble import map_latents
from vaescope.errors import UserError
from vaescope.models.copies import turned_copies
from vaescope.models.family import Family
from vaescope.models.settings import ModelSettings

SIDE, CHANNELS = 15, 32


def rods(seed: int, count: int) -> xr.Dataset:
    """Rods at any angle; the energy of their line follows their length alone."""
    rng = np.random.default_rng(seed)
    length, angle = rng.uniform(2.0, 6.0, count), rng.uniform(0, np.pi, count)
    axis = np.arange(SIDE) - SIDE // 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    along, across = cos * x + sin * y, cos * y - sin * x
    picture = np.exp(-((along / length[:, None, None]) ** 4) - (across / 1.5) ** 2)
    picture += 0.05 * rng.normal(size=picture.shape)
    energy = np.arange(CHANNELS)
    pure = np.exp(-0.5 * ((energy - 28 + 4 * length[:, None]) / 2.5) ** 2)
    counts = rng.poisson(100 * (pure + 0.05))
    return xr.Dataset(
        {
            "patch": (("site", "channel", "py", "px"), picture[:, None].astype(np.float32)),
            "spectrum": (("site", "energy"), (counts / 100).astype(np.float32)),
            "truth_pure": (("site", "energy"), pure + 0.05),
            "truth_apart": ("site", (np.arange(count) >= count // 2) * 1.0),
            "frame": ("site", np.zeros(count, int)),
            "y": ("site", np.arange(count) * 1.0),
            "x": ("site", np.zeros(count)),
        },
        {
            "site": np.arange(count),
            "channel": ["0"],
            "py": axis,
            "px": axis,
            "energy": ("energy", 2 + 0.01 * energy, {"units": "eV", "long_name": "energy loss"}),
        },
        {"method": "pixels", "lattice": False, "atoms": False, "placed": True},
    )


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    data, folder = rods(1, 400), tmp_path_factory.mktemp("im2spec")
    given = {"variant": "im2spec", "held_out": "apart", "steps": 400, "hidden": 96}
    kept = folder / "members"
    train.fit(data, given, members=[0], seed=2, out=kept, checkpoints=folder / "checkpoints")
    return data, map_latents(kept, data, name="im2spec")


def test_spectra_of_rods_held_out_are_predicted_at_any_angle(mapped):
    data, maps = mapped
    apart = maps["held_out"].values
    assert apart.sum() == 200
    pure, predicted = data["truth_pure"].values, maps["predicted_spectrum"].values
    error = ((predicted - pure)[apart] ** 2).mean()
    of_mean = ((pure[~apart].mean(0) - pure[apart]) ** 2).mean()
    assert error < 0.1 * of_mean


def test_the_band_holds_what_is_measured(mapped):
    data, maps = mapped
    apart, measured = maps["held_out"].values, data["spectrum"].values
    low, high = (maps[f"predicted_spectrum_{end}"].values for end in ("low", "high"))
    inside = ((measured >= low) & (measured <= high))[apart].mean()
    assert 0.55 < inside < 0.85  # 0.68; counts are few beside the line, and whole numbers


def test_predicted_spectra_lie_on_the_axis_of_the_data(mapped):
    _, maps = mapped
    assert maps["predicted_spectrum"].dims == ("site", "energy")
    assert maps["energy"].attrs["units"] == "eV"
    assert "consensus_angle" not in maps


def test_a_quarter_turn_of_the_patch_changes_nothing():
    settings = ModelSettings.from_recipe({"variant": "im2spec", "hidden": 16, "turns": 8})
    model = Family(1, (1, SIDE, SIDE), settings, (1, 1, CHANNELS))
    generator = [torch.Generator().manual_seed(0)]
    patches = torch.randn(5, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    model.initialise(generator, torch.rand(5, 1, 1, CHANNELS), patches)
    turn = turned_copies((1, SIDE, SIDE), settings)
    none = torch.zeros(1, 5, 0)
    one, other = (
        model.encoder(turn(picture)[None], none).content[0]
        for picture in (patches, torch.rot90(patches, 1, (2, 3)))
    )
    assert torch.allclose(one, other, atol=1e-4)
    assert one.std() > 0.01  # it is not the same for all patches either


def test_rotation_of_oblong_patches_is_refused():
    settings = ModelSettings.from_recipe({"variant": "im2spec"})
    with pytest.raises(UserError, match="square"):
        Family(1, (1, 15, 11), settings, (1, 1, CHANNELS))


def test_a_model_without_rotation_predicts_as_well(tmp_path):
    data = rods(3, 40)
    given = {"variant": "im2spec", "rotation": False, "steps": 20, "hidden": 16}
    kept = tmp_path / "members"
    train.fit(data, given, members=[0], seed=2, out=kept, checkpoints=tmp_path / "checkpoints")
    maps = map_latents(kept, data, name="im2spec")
    assert np.isfinite(maps["predicted_spectrum"]).all()
    assert not maps["held_out"].any()
