"""The models in a notebook: every variant trains, answers, and comes back from its file."""

import re
from pathlib import Path

import numpy as np
import pytest

import vaescope
from vaescope import Model, load
from vaescope.errors import UserError
from vaescope.models.zoo import NEEDS, OF_SPECTRA, VARIANTS
from vaescope.simulate import cards

HAND = cards.deal(cards.CardParameters(count=60, size=16), np.random.default_rng(0))
KNOWN = {"label": HAND["label"], "clean": HAND["images"]}
FILLED = {"classes": 4, "labels": "label", "condition": ["label"], "target": "clean"}
PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def model_of(variant, **more):
    needed = {key: FILLED[key] for key in NEEDS.get(variant, ())}
    return Model(variant, steps=20, hidden=16, batch=16, **needed, **more)


@pytest.mark.parametrize("encoder", ["dense", "convolutional"])
@pytest.mark.parametrize("variant", sorted(set(VARIANTS) - set(OF_SPECTRA)))
def test_every_variant_of_pictures_answers_and_comes_back_from_its_file(variant, encoder, tmp_path):
    model = model_of(variant, encoder=encoder).fit(HAND["images"], **KNOWN)
    told = {"label": HAND["label"]}
    found = model.encode(HAND["images"], **told)
    assert found.content.shape == (60, model.settings.latent)
    assert np.isfinite(found.content).all() and np.isfinite(found.reconstruction).all()
    conditions = {"label": np.zeros(3)} if model.settings.condition else {}
    for pictures in (
        model.sample(3, **conditions),
        model.traverse(steps=3, **conditions),
        model.decode(found.content[:3], **conditions),
    ):
        assert pictures.shape == (3, 1, 16, 16) and np.isfinite(pictures).all()
    assert (found.class_probability is not None) == (model.settings.classes > 0)
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors").encode(HAND["images"], **told)
    np.testing.assert_array_equal(again.content, found.content)


def snippets():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return blocks[0], blocks[1:]


@pytest.mark.parametrize("index", range(len(snippets()[1])))
def test_the_page_about_the_models_runs_as_it_stands(index, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    setup, blocks = snippets()
    if "colour" in blocks[index] and "colour =" not in blocks[index]:
        setup += "colour = np.stack([images, images**2, 1 - images], axis=-1)\n"
    if "few" in blocks[index] and "few =" not in blocks[index]:
        setup += "few = np.where(np.arange(120) < 40, label, -1)\n"
    exec(compile(setup + blocks[index], str(PAGE), "exec"), {})


def test_the_page_names_every_variant():
    text = PAGE.read_text(encoding="utf-8")
    of_pictures = [name for name in VARIANTS if name not in OF_SPECTRA]
    assert not [name for name in of_pictures if f'Model("{name}"' not in text]
    assert not [name for name in OF_SPECTRA if f"`{name}`" not in text]


@pytest.mark.parametrize("variant", OF_SPECTRA)
def test_models_of_spectra_say_where_they_are_trained(variant):
    with pytest.raises(UserError, match="store of samples") as refused:
        Model(variant)
    assert "vaescope.train.fit" in str(refused.value)


def test_curves_are_pictures_of_height_one():
    curves = np.random.default_rng(0).random((40, 30))
    model = Model("vae", decoder="dense", steps=10, hidden=8).fit(curves)
    assert model.reconstruct(curves).shape == (40, 1, 1, 30)


@pytest.mark.parametrize(
    ("made", "shape", "said"),
    [
        (lambda: Model("rvae"), (40, 30), "rotation needs square patches, not curves"),
        (lambda: Model("rvae"), (40, 30, 1), "not curves"),
        (lambda: Model("rvae"), (40, 12, 16), "rotation needs square patches, not oblong"),
        (lambda: Model("vae", shear=True), (40, 12, 16), "shear needs square"),
        (lambda: Model("tvae", strain=True), (40, 30), "Set `strain: false`"),
        (lambda: Model("rvae", shear=True), (40, 12, 16), "rotation and shear need square"),
        (lambda: Model("tvae", decoder="coordinate"), (40, 30), "not curves with a pose"),
    ],
)
def test_a_pose_that_the_shape_cannot_have_is_refused(made, shape, said):
    with pytest.raises(UserError, match=said):
        made().fit(np.random.default_rng(0).random(shape))


def test_a_turned_picture_has_no_curve_as_its_target():
    with pytest.raises(UserError, match="not curves"):
        model_of("rvae", target="curve").fit(HAND["images"], curve=HAND["images"][:, 0])


def test_shifts_of_curves_are_found():
    random = np.random.default_rng(0)
    place = random.uniform(-0.3, 0.3, 200)
    axis = (np.arange(40) + 0.5) / 20 - 1
    curves = np.exp(-(((axis - place[:, None]) / 0.15) ** 2))
    model = Model("tvae", latent=1, offset_sd=0.3, steps=300, hidden=32).fit(curves)
    found = model.encode(curves).offset[:, 1]
    assert np.corrcoef(found, place)[0, 1] > 0.98


@pytest.mark.parametrize("variant", ["tvae", "svae"])
def test_oblong_pictures_shift_and_grow(variant):
    pictures = HAND["images"][:, :12]
    assert model_of(variant).fit(pictures).reconstruct(pictures).shape == (60, 1, 12, 16)


def test_places_tell_smoothness_who_is_a_neighbour():
    from vaescope.notebook import as_patches
    from vaescope.train.data import gather

    place = np.arange(60.0)
    model = Model("vae", smoothness=1.0)
    known = {"frame": np.zeros(60), "y": np.zeros(60), "x": place}
    near = gather(as_patches(HAND["images"], known), model.settings).neighbours()
    assert sorted(near[30]) == [27, 28, 29, 31, 32, 33]


def test_a_traverse_changes_one_latent_alone():
    model = model_of("vae").fit(HAND["images"])
    pictures = model.traverse(latent=1, steps=5, span=1.0)
    expected = model.decode(np.stack([np.zeros(5), np.linspace(-1, 1, 5)], 1))
    np.testing.assert_allclose(pictures, expected, atol=1e-6)


def test_samples_of_classes_come_from_the_classes():
    model = model_of("jvae", latent=1)
    model.fit(HAND["images"])
    import torch

    own = model.best.model
    own.mixture.place(
        0, torch.ones(4), torch.tensor([[-9.0], [-3], [3], [9]]), 0.01 * torch.ones(4, 1, 1)
    )
    noise = torch.randn(400, 1, generator=torch.Generator().manual_seed(0))
    drawn = own.mixture.draw(noise, torch.Generator().manual_seed(1)).numpy()[:, 0]
    near = np.abs(drawn[:, None] - np.array([-9, -3, 3, 9])).min(1)
    assert near.max() < 0.6
    assert np.ptp(drawn) > 15


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Model("rvea"), "`variant` is not known"),
        (lambda: Model("rvae", latnt=3), "Did you mean `latent`"),
        (lambda: Model("vae", steps="many"), "`steps` cannot be used"),
        (lambda: Model("vae", latent=2.5), "a whole number is wanted for `latent`"),
        (lambda: Model("cvae", condition="label"), "`condition` cannot be used"),
        (lambda: Model("vae").encode(HAND["images"]), "not trained"),
        (lambda: Model("vae").fit(np.zeros(9)), "no pictures"),
        (lambda: Model("vae").fit(np.full((30, 8, 8), np.nan)), "not numbers"),
        (
            lambda: Model("vae").fit(HAND["images"], label=np.zeros(3)),
            "not known for every picture",
        ),
        (lambda: Model("cvae", condition=["label"]).fit(HAND["images"]), "no variable `label`"),
        (lambda: Model("vae", likelihood="poisson").fit(HAND["images"] - 1), "do not suit"),
        (lambda: Model("vae", members=0), "`members` is out of range"),
        (lambda: Model("vae", members=1.5), "`members` is no whole number"),
        (
            lambda: Model("cvae", condition=["k"]).fit(HAND["images"], k=np.array(["a", "b"] * 30)),
            "`k` holds no numbers",
        ),
        (lambda: Model("vae").fit(np.zeros((40, 3, 12, 12))), "which axis"),
        (lambda: Model("vae").fit([[1.0, 2.0], [3.0]]), "no pictures"),
        (lambda: Model("vae", channel_axis=2).fit(np.zeros((40, 3, 12, 12))), "1 or -1"),
        (lambda: load("nowhere.safetensors"), "cannot be read"),
    ],
)
def test_mistakes_are_told_in_words(wrong, said):
    with pytest.raises(UserError, match=said):
        wrong()


def test_other_pictures_and_conditions_are_refused():
    model = model_of("cvae").fit(HAND["images"], **KNOWN)
    with pytest.raises(UserError, match="not like those"):
        model.encode(np.zeros((20, 12, 12)), label=np.zeros(20))
    with pytest.raises(UserError, match="decoding needs"):
        model.sample(2)
    with pytest.raises(UserError, match="wrong number of latents"):
        model.decode(np.zeros((2, 5)), label=np.zeros(2))
    with pytest.raises(UserError, match="not trained with some values"):
        model.sample(2, label=7)
    for wrong, said in (
        ({"lable": 1, "label": 1}, "Did you mean `label`"),
        ({"label": np.zeros(3)}, "one number, or length 2"),
        ({"label": ["spade", "heart"]}, "something else than numbers"),
        ({"label": np.nan}, "something else than numbers"),
    ):
        with pytest.raises(UserError, match=said):
            model.decode(np.zeros((2, 2)), **wrong)
    with pytest.raises(UserError, match="a whole number from 0 to 1"):
        model.traverse(latent=9, label=0)
    with pytest.raises(UserError, match="centre has the wrong number"):
        model.traverse(centre=np.zeros(3), label=0)
    with pytest.raises(UserError, match="`n` is out of range"):
        model.sample(0, label=0)
    with pytest.raises(UserError, match="not trained with `label`; expected no conditions"):
        model_of("vae").fit(HAND["images"]).sample(2, label=1)


def test_channels_are_last_unless_something_says_otherwise():
    import xarray as xr

    from vaescope.notebook.arrays import as_pictures

    last = np.random.default_rng(0).random((20, 8, 6, 3), np.float32)
    first = np.moveaxis(last, -1, 1)
    np.testing.assert_array_equal(as_pictures(last), first)
    np.testing.assert_array_equal(as_pictures(first, channel_axis=1), first)
    named = xr.DataArray(first, dims=("site", "channel", "y", "x"))
    np.testing.assert_array_equal(as_pictures(named), first)
    for shape in ((20, 3, 8, 8), (20, 32, 8, 8), (20, 3, 8, 6)):
        with pytest.raises(UserError, match="which axis"):
            as_pictures(np.zeros(shape))
    curves = xr.DataArray(first[:, :, 0], dims=("site", "channel", "x"))
    assert as_pictures(curves).shape == (20, 3, 1, 6)


def test_a_trained_model_reads_what_it_draws():
    pictures = np.stack([HAND["images"], 1 - HAND["images"]], -1)[:, 4:12, 4:12]
    model = model_of("multichannel-rvae").fit(pictures)
    drawn = model.sample(3)
    assert drawn.shape == (3, 2, 8, 8)
    again = model.encode(drawn).content
    np.testing.assert_array_equal(again, model.encode(np.moveaxis(drawn, 1, -1)).content)


def test_an_autoencoder_samples_where_its_latents_lie(tmp_path):
    model = model_of("ae", seed=5).fit(HAND["images"])
    content = model.encode(HAND["images"]).content
    mean, covariance = (np.array(model.best.spread[k]) for k in ("mean", "covariance"))
    np.testing.assert_allclose(mean, content.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(covariance, np.cov(content.T, bias=True), rtol=1e-3, atol=1e-5)
    ends = np.tile(mean, (2, 1))
    ends[:, 1] += np.array([-1, 1]) * np.sqrt(covariance[1, 1])
    np.testing.assert_allclose(
        model.traverse(latent=1, steps=2, span=1.0), model.decode(ends), atol=1e-6
    )
    drawn = []
    model.decode = lambda content: drawn.append(content)
    model.sample(4000)
    np.testing.assert_allclose(np.cov(drawn[0].T), covariance, atol=0.1 * covariance.max())
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.seed == 5 and again.best.spread == model.best.spread
    again.best.spread = None
    with pytest.raises(UserError, match="is not known"):
        again.sample(2)


def test_torch_is_imported_only_when_it_is_needed():
    import subprocess
    import sys

    code = "import sys, vaescope; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    with pytest.raises(AttributeError):
        vaescope.nothing  # noqa: B018


def test_without_its_target_a_picture_is_still_turned_upright():
    hand = cards.deal(
        cards.CardParameters(count=240, size=20, noise=0.2, shear=1.0), np.random.default_rng(0)
    )
    spades = hand["label"] == 1  # no symmetry under rotation
    noisy, angle = hand["images"][spades], hand["angle"][spades]
    clean = noisy.clip(0, 1)
    model = Model("rvae", target="clean", steps=300, hidden=48, batch=32).fit(noisy, clean=clean)
    alone = model.encode(noisy)
    off = np.exp(1j * (alone.angle - angle))
    off = np.degrees(np.abs(np.angle(off * np.exp(-1j * np.angle(off.mean())))))
    # A target of zeros in its place turned half of them wrongly; one step of the grid is 30.
    assert (off > 45).mean() < 0.1
    assert np.isnan(alone.elbo).all() and np.isfinite(alone.reconstruction).all()
