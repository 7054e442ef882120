"""Sites of whose patch only a part was seen: at the edge of an image, or beside a gap."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope import ensemble, samples, train
from vaescope.ensemble.encode import encode_all
from vaescope.ensemble.members import load_members
from vaescope.models.settings import ModelSettings
from vaescope.samples import gaps
from vaescope.train.data import gather

SPACING = 12.0
SIZE = 24.0


def crystal(height=96, width=132, seed=0):
    """An image of a square lattice, its sites, and the same in a frame of background."""
    random = np.random.default_rng(seed)
    rows, columns = np.arange(5.0, height, SPACING), np.arange(7.0, width, SPACING)
    y, x = (axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))
    wide = np.zeros((height + 80, width + 80))
    down, right = np.indices(wide.shape) - 40
    for one, other in zip(y, x, strict=True):
        wide += np.exp(-((down - one) ** 2 + (right - other) ** 2) / 8)
    wide += random.normal(0, 0.02, wide.shape)
    return wide, y, x


def as_image(plane):
    return xr.Dataset(
        {"image": (("time", "channel", "y", "x"), plane[None, None].astype(np.float32))},
        coords={"channel": ["a"]},
    ).chunk()


def as_sites(y, x):
    return xr.Dataset(
        {
            "frame": ("site", np.zeros(len(y), int)),
            "y": ("site", y),
            "x": ("site", x),
        },
        coords={"site": np.arange(len(y))},
        attrs={"spacing": SPACING, "lattice": True, "placed": True, "method": "log"},
    )


@given(complete=st.floats(0.3, 0.9), seed=st.integers(0, 20))
@settings(max_examples=10, deadline=None)
def test_a_site_is_mapped_where_enough_of_its_patch_lies_in_the_image(complete, seed):
    wide, y, x = crystal(seed=seed)
    plane = wide[40:-40, 40:-40]
    options = {"size": SIZE, "complete": complete, "normalise": "none"}
    cut = samples.extract(as_image(plane), as_sites(y, x), options).load()
    inside = [
        np.clip(np.minimum(at + SIZE / 2, last + 0.5) - np.maximum(at - SIZE / 2, -0.5), 0, None)
        for at, last in ((y, plane.shape[0] - 1), (x, plane.shape[1] - 1))
    ]
    share = inside[0] * inside[1] / SIZE**2
    assert set(cut["site"].values) == set(np.flatnonzero(share >= complete))
    seen = cut["measured"].values.mean((1, 2)) if "measured" in cut else np.ones(cut.sizes["site"])
    assert (gaps.whole(cut) == (seen >= 0.95)).all()


def test_what_was_seen_of_a_patch_is_what_a_larger_image_shows():
    wide, y, x = crystal()
    options = {"size": SIZE, "complete": 0.4, "normalise": "none"}
    cut = samples.extract(as_image(wide[40:-40, 40:-40]), as_sites(y, x), options).load()
    whole = samples.extract(as_image(wide), as_sites(y + 40, x + 40), options).load()
    assert gaps.whole(whole).all()
    assert "measured" not in whole
    seen = cut["measured"].values
    apart = (cut["patch"].values - whole["patch"].sel(site=cut["site"]).values)[:, 0]
    rim = np.zeros_like(seen)  # the spline differs where the image ends
    for shift in (-1, 1):
        for axis in (1, 2):
            rim |= ~np.roll(seen, shift, axis)
    assert np.abs(apart[seen & ~rim]).max() < 0.05
    assert not seen.all()


def test_models_learn_from_whole_patches_alone():
    wide, y, x = crystal()
    options = {"size": SIZE, "complete": 0.4}
    cut = samples.extract(as_image(wide[40:-40, 40:-40]), as_sites(y, x), options).load()
    data = train.training_data(cut, ModelSettings.from_recipe({"variant": "rvae"}), 0)
    assert len(data) == gaps.whole(cut).sum() < cut.sizes["site"]


def patches(count=240, seed=0):
    """Patches of a spot in the middle and one beside it, which may be faint, at any angle."""
    random = np.random.default_rng(seed)
    down, right = (np.indices((16, 16)) - 7.5) / 8
    strength = np.where(np.arange(count) % 2, 0.4, 1.0)
    angle = random.uniform(-np.pi, np.pi, count)
    picture = np.exp(-(down**2 + right**2) / 0.06) * np.ones((count, 1, 1))
    for turn in (0.0, 2.2):
        x, y = 0.5 * np.cos(angle + turn), -0.5 * np.sin(angle + turn)
        far = (right - x[:, None, None]) ** 2 + (down - y[:, None, None]) ** 2
        picture = picture + (strength if turn else 1.0 + 0 * strength)[:, None, None] * np.exp(
            -far / 0.06
        )
    picture = picture + random.normal(0, 0.08, picture.shape)
    return xr.Dataset(
        {
            "patch": (("site", "channel", "py", "px"), picture[:, None].astype(np.float32)),
            "frame": ("site", np.zeros(count, int)),
            "y": ("site", random.uniform(0, 100, count)),
            "x": ("site", random.uniform(0, 100, count)),
            "truth_kind": ("site", np.arange(count) % 2),
            "truth_angle": ("site", angle),
        },
        coords={"site": np.arange(count)},
        attrs={"pitch": 1.0},
    )


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"gain": True, "background": True, "noise": "signal"}])
def test_half_a_patch_says_less_and_its_errors_say_so(tmp_path, more):
    whole = patches()
    chosen = {"variant": "rvae", "latent": 1, "steps": 400, **more}
    train.fit(
        whole, chosen, members=range(2), seed=0,
        out=tmp_path / "members", checkpoints=tmp_path / "checkpoints", log=lambda _: None,
    )  # fmt: skip
    random = np.random.default_rng(1)
    partial = random.random(240) < 0.4
    seen = np.ones((240, 16, 16), bool)
    for row in np.flatnonzero(partial):
        mask = np.ones((16, 16), bool)
        mask[: random.integers(3, 9)] = False
        seen[row] = np.rot90(mask, random.integers(4))
    # What was not seen may hold anything.
    covered = np.where(seen[:, None], whole["patch"].values, 7.0).astype(np.float32)
    parts = whole.assign(
        patch=(whole["patch"].dims, covered),
        measured=(("site", "py", "px"), seen),
        partial=("site", partial),
    )
    every = whole.assign(partial=("site", partial))
    members = load_members(tmp_path / "members")
    for member in members:
        some, full = (
            encode_all([member], [gather(each, member.settings, member.codec)], 240)[0]
            for each in (parts, every)
        )
        assert np.median(some.content_sd[partial] / full.content_sd[partial]) > 1.03
        added = np.sqrt(some.content_sd[partial] ** 2 + full.content_sd[partial] ** 2)
        within = np.abs(some.content[partial] - full.content[partial]) < added
        assert within.mean() > 0.6
        apart = np.angle(np.exp(1j * (some.angle[partial] - full.angle[partial])))
        assert np.median(np.abs(apart)) < np.radians(6)
        np.testing.assert_allclose(some.content[~partial], full.content[~partial], atol=1e-5)
    maps = ensemble.map_latents(tmp_path / "members", parts, name="rvae").load()
    kind = parts["truth_kind"].values
    content = maps["consensus_content"].values[:, 0]
    middle = np.mean([np.median(content[kind == k]) for k in (0, 1)])
    right = (content > middle) == (kind == kind[np.argmax(content)])
    assert right[partial].mean() > 0.8
    assert np.isfinite(maps["residual"]).all()
