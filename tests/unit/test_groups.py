"""Groups of datasets: which rows belong together, one scale, an even draw, one latent space."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope import ensemble, recipes, samples, simulate, sites, train
from vaescope.cohort import joined
from vaescope.cohort.pool import pooled, shares
from vaescope.cohort.scale import PatchScale
from vaescope.ensemble.settled import Settled
from vaescope.errors import UserError
from vaescope.workflow import make_plan, summary

ROOT = Path(__file__).parents[2]
SHEET = "dataset\trecipe\tsource\tgroup\trole\ttemperature\n"


def plan_of(folder, *rows):
    sheet = folder / "sheet.tsv"
    sheet.write_text(SHEET + "".join("\t".join(row.split()) + "\n" for row in rows))
    return make_plan({"datasets": "sheet.tsv"}, root=ROOT, here=folder)


def test_rows_of_a_group_share_models_and_further_columns_are_covariates(tmp_path):
    plan = plan_of(
        tmp_path,
        "a atoms a.npy film reference 300",
        "b atoms b.npy film query 400",
        "c atoms c.npy film",
        "d atoms d.npy",
    )
    assert not plan.problems
    group = plan.groups["film"]
    assert group.references == ("a", "c") and group.queries == ("b",)
    assert plan.group_of("b") is group and plan.group_of("d") is None
    assert plan.row("a").covariates == {"temperature": "300"}
    assert plan.row("d").role == "" and plan.row("c").role == "reference"
    per_dataset = len(plan.models("d")) * plan.jobs("d")
    assert plan.trainings == 2 * per_dataset  # one for the group, one for `d`


@pytest.mark.parametrize(
    ("rows", "refused", "words"),
    [
        (["a atoms a.npy film", "b defects b.npy film"], {"b"}, "share one recipe"),
        (["a atoms a.npy film", "b atoms b.npy Film"], {"b"}, "capitals"),
        (["a atoms a.npy film query"], {"a"}, "no dataset to train"),
        (["a atoms a.npy film guest"], {"a"}, "no such role"),
        (["a cards-rvae a.npy film"], {"a"}, "cannot be grouped"),
        (["a atoms a.npy ../film"], {"a"}, "name of the group"),
    ],
)
def test_rows_that_cannot_belong_to_their_group_are_set_aside(tmp_path, rows, refused, words):
    plan = plan_of(tmp_path, *rows)
    assert {problem.dataset for problem in plan.problems} == refused
    assert all(words in problem.message for problem in plan.problems)
    assert not refused & set(plan.rows)
    named = {name for group in plan.groups.values() for name in group.datasets}
    assert named == {name for name, row in plan.rows.items() if row.group}


def test_a_failure_of_a_group_is_said_once_at_the_end(tmp_path, monkeypatch):
    plan = plan_of(tmp_path, "a atoms a.npy film", "b atoms b.npy film")
    monkeypatch.chdir(tmp_path)
    note = plan.results / ".groups" / "film" / "failures" / "pool_samples.json"
    note.parent.mkdir(parents=True)
    note.write_text(json.dumps({"message": "group `film`: different channels", "log": ""}))
    words = summary.closing_words(plan)
    assert words.count("different channels") == 1


def test_a_role_without_a_group_is_refused(tmp_path):
    sheet = tmp_path / "sheet.tsv"
    sheet.write_text(SHEET + "a\tatoms\ta.npy\t\tquery\t\nb\tatoms\tb.npy\t\treference\t\n")
    plan = make_plan({"datasets": "sheet.tsv"}, root=ROOT, here=tmp_path)
    assert list(plan.rows) == ["b"]
    assert "needs a group" in plan.problems[0].message


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 500), min_size=1, max_size=12), st.integers(0, 3000))
def test_sites_are_drawn_evenly_as_far_as_images_have_them(available, most):
    given_ = shares(available, most)
    assert all(0 <= one <= there for one, there in zip(given_, available, strict=True))
    assert sum(given_) == min(most, sum(available))
    largest = max(given_)
    # Whoever gives fewer than another by more than the rounding has given all.
    for one, there in zip(given_, available, strict=True):
        assert one >= largest - 1 or one == there


def image_of(seed, spacing=14.0, dopants=0.06):
    given_ = f"mos2?size=160&dopants={dopants}&dopant_strength=2&dose=3000&spacing={spacing}"
    return simulate.make(given_ + "&vacancies=0&divacancies=0", seed)


@pytest.fixture(scope="module")
def recipe():
    return recipes.resolve_recipe("atoms", [ROOT / "config" / "recipes"])


@pytest.fixture(scope="module")
def images(recipe):
    """Image, sites and patches of three images of one scale."""
    made = {}
    scale = None
    for seed, spacing in enumerate((14.0, 14.0, 17.0)):
        image = image_of(seed, spacing)
        found = sites.find(image, {"method": "log"})
        scale = scale or PatchScale.of(image, found, recipe.patches, "first")
        made[f"i{seed}"] = (
            image,
            found,
            samples.extract(image, found, scale.patches(found, recipe.patches)),
        )
    return made, scale


def test_patches_of_a_group_show_as_much_of_the_specimen(images, recipe):
    made, scale = images
    assert scale.unit == "nm"
    sides = [cut.attrs["size"] * image.attrs["pixel_size"] for image, _, cut in made.values()]
    np.testing.assert_allclose(sides, sides[0])
    assert len({cut.sizes["px"] for *_, cut in made.values()}) == 1
    uncalibrated = made["i0"][1].assign_attrs(calibrated=False)
    with pytest.raises(UserError, match="no common scale"):
        scale.patches(uncalibrated, recipe.patches)
    relative = PatchScale.of(made["i0"][0], uncalibrated, recipe.patches, "first")
    assert relative.unit == "spacings"
    size = relative.patches(made["i2"][1].assign_attrs(calibrated=False), recipe.patches).size
    per_spacing = [size / made["i2"][1].attrs["spacing"], scale.side]
    own = made["i0"][2].attrs["size"] / made["i0"][1].attrs["spacing"]
    assert per_spacing[0] == pytest.approx(own)


def test_a_scale_is_read_as_it_was_written(images, tmp_path):
    (tmp_path / "scale.json").write_text(images[1].as_json())
    assert PatchScale.read(tmp_path / "scale.json") == images[1]


def test_the_pool_draws_whole_patches_from_every_image(images):
    cuts = {name: cut for name, (_, _, cut) in images[0].items()}
    pool = pooled(cuts, 90, seed=1)
    assert pool.sizes["site"] == 90 and list(pool.attrs["images"]) == list(cuts)
    assert np.bincount(pool["image"].values).tolist() == [30, 30, 30]
    assert not pool["partial"].values.any()
    frames = {(int(i), int(f)) for i, f in zip(pool.image.values, pool.frame.values, strict=True)}
    assert len({frame for _, frame in frames}) == len(frames) == 3
    for number, cut in enumerate(cuts.values()):
        rows = np.flatnonzero(pool["image"].values == number)
        there = {tuple(one) for one in np.stack([cut.y.values, cut.x.values], 1)}
        assert {(float(pool.y[k]), float(pool.x[k])) for k in rows} <= there
    other = cuts["i1"].assign_coords(channel=["HAADF"])
    two = other.isel(channel=[0, 0])
    with pytest.raises(UserError, match="different channels"):
        pooled({"i0": cuts["i0"], "i1": two}, 90, seed=1)


@pytest.fixture(scope="module")
def trained(images, recipe, tmp_path_factory):
    """The sites of two images that settle the frame, the members of a small model that were trained
    on these images, and what they say of these sites."""
    folder = tmp_path_factory.mktemp("group")
    cuts = {name: cut for name, (_, _, cut) in images[0].items() if name != "i2"}
    pool = pooled(cuts, 1000, seed=0).load()
    own = recipe.models["rvae"].as_dict() | {"steps": 60, "hidden": 24, "turns": 6}
    train.fit(
        pool,
        own,
        members=range(2),
        seed=0,
        out=folder / "members",
        checkpoints=folder / "checkpoints",
        log=lambda _: None,
    )
    frame = joined.settling(pool)
    return frame, folder / "members", ensemble.map_latents(folder / "members", frame, name="rvae")


def mapped(trained, cut):
    frame, members, latents = trained
    whole, settles = joined.behind(frame, cut)
    found = ensemble.map_latents(members, whole, name="rvae", settled=Settled(settles, latents))
    return joined.only(found, cut)


def test_what_a_site_is_depends_on_the_group_and_not_on_what_is_mapped_with_it(images, trained):
    cut = images[0]["i2"][2]
    every, half = mapped(trained, cut), mapped(trained, cut.isel(site=slice(0, None, 2)))
    assert every.sizes["site"] == cut.sizes["site"]
    np.testing.assert_array_equal(every["site"], cut["site"])
    np.testing.assert_array_equal(every["frame"], cut["frame"])
    assert "image" not in every
    rows = np.arange(0, cut.sizes["site"], 2)
    assert every.sizes["mode_number"] == half.sizes["mode_number"]
    seen = ~cut["partial"].values[rows]  # what is not seen of a patch, others like it say
    for name in ("consensus_content", "consensus_angle", "consensus_offset"):
        one, other = every[name].values[rows], half[name].values
        np.testing.assert_allclose(one[seen], other[seen], atol=2e-3)
    assert every.attrs["reference_member"] == half.attrs["reference_member"]
    same = every["mode"].values[rows] == half["mode"].values
    assert same.mean() > 0.97  # how bright a column is beside its neighbours depends on these


def test_a_site_of_the_pool_is_mapped_as_the_group_maps_it(images, trained):
    pool, _, group = trained
    cut = images[0]["i0"][2]
    own = mapped(trained, cut)
    place = {(float(y), float(x)): k for k, (y, x) in enumerate(zip(cut.y, cut.x, strict=True))}
    rows = np.flatnonzero(pool["image"].values == 0)
    mine = [place[float(pool.y[k]), float(pool.x[k])] for k in rows]
    np.testing.assert_allclose(
        own["consensus_content"].values[mine],
        group["consensus_content"].values[rows],
        atol=2e-3,
    )
    assert (own["mode"].values[mine] == group["mode"].values[rows]).mean() > 0.95
