"""Classical methods find what is there, and their scores say what they should."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vaescope import baselines, quantities, samples, simulate, sites, store
from vaescope.baselines import fit, unmixing
from vaescope.baselines.outcome import NOISE
from vaescope.errors import UserError
from vaescope.results import Results
from vaescope.scores import comparison
from vaescope.scores.comparison import Entry
from vaescope.scores.ground_truth import TOGETHER, Angle, angle_of, category_names, truths

QUICK = [name for name in baselines.METHODS if name not in ("umap", "tsne")]
"""All but those that take seconds."""


def patches_of(pictures: np.ndarray, **known: np.ndarray) -> xr.Dataset:
    """A Dataset in the form of a patches store, its sites on a square grid of 10 px."""
    pictures = np.asarray(pictures, np.float32)
    count, _, high, wide = pictures.shape
    side = int(np.ceil(np.sqrt(count)))
    y, x = np.divmod(np.arange(count), side)
    return xr.Dataset(
        {
            "patch": (("site", "channel", "py", "px"), pictures),
            "frame": ("site", np.zeros(count, int)),
            "y": ("site", 10.0 * y),
            "x": ("site", 10.0 * x),
            **{f"truth_{name}": ("site", values) for name, values in known.items()},
        },
        coords={
            "site": np.arange(count),
            "channel": [str(k) for k in range(pictures.shape[1])],
            "py": np.arange(high) - high / 2 + 0.5,
            "px": np.arange(wide) - wide / 2 + 0.5,
        },
    )


def kinds_of_patches(count: int = 150, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Patches of three well separated pictures with a little noise, and which each is."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, count)
    pictures = rng.uniform(0, 1, (3, 1, 8, 8))
    return pictures[kind] + rng.normal(0, 0.05, (count, 1, 8, 8)), kind


def failed_methods(fitted: xr.Dataset) -> list[str]:
    return fitted["baseline"].values[fitted["failed"].values == 1].tolist()


@pytest.fixture(scope="module")
def separable() -> tuple[xr.Dataset, xr.Dataset, np.ndarray]:
    pictures, kind = kinds_of_patches()
    patches = patches_of(pictures, phase=kind)
    found, _ = baselines.run(patches, {"components": 3, "clusters": 3}, disc=True)
    return patches, found, kind


def test_corners_of_a_mixture_are_found_and_so_are_the_shares():
    rng = np.random.default_rng(0)
    corners = rng.normal(0, 1, (4, 30))
    shares = np.concatenate([np.eye(4), rng.dirichlet(np.ones(4), 300)])
    points = shares @ corners
    flat = (points - points.mean(0)) @ np.linalg.svd(points - points.mean(0))[2][:3].T
    assert list(unmixing.n_findr(flat, seed=0)) == [0, 1, 2, 3]
    assert np.abs(unmixing.abundances(points, corners) - shares).max() < 1e-3


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    corners=st.integers(2, 6),
    wide=st.integers(1, 12),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_shares_are_never_negative_and_add_up_to_one(seed, corners, wide, scale):
    rng = np.random.default_rng(seed)
    shares = unmixing.abundances(
        scale * rng.normal(size=(20, wide)), scale * rng.normal(size=(corners, wide))
    )
    assert shares.shape == (20, corners)
    assert (shares >= 0).all() and np.allclose(shares.sum(1), 1)


@pytest.mark.parametrize("name", baselines.METHODS)
def test_every_method_finds_kinds_that_lie_far_apart(separable, name):
    _, found, kind = separable
    label = found["label"].sel(baseline=name).values
    entry = Entry(name, name, False, label, None, True, np.nan, np.nan)
    # A cluster of noise is no fault of DBSCAN, nor mixed corners one of unmixing.
    least = {"dbscan": 0.7, "hdbscan": 0.7, "nmf": 0.7, "unmixing": 0.9}.get(name, 0.99)
    assert comparison.ari(entry, kind) > least
    assert float(found["stability"].sel(baseline=name)) > 0.6


def test_pictures_lie_inside_the_circle_and_look_like_the_kinds(separable):
    patches, found, _ = separable
    centres = found["pictures"].sel(baseline="kmeans").values[:3, 0]
    outside = np.hypot(*np.meshgrid(found["py"], found["px"], indexing="ij")) > 4
    assert np.isnan(centres[:, outside]).all() and np.isfinite(centres[:, ~outside]).all()
    label = found["label"].sel(baseline="kmeans").values
    for k in range(3):
        mean = patches["patch"].values[label == k, 0].mean(0)
        assert np.abs(centres[k] - mean)[~outside].max() < 0.05


def test_components_are_as_many_as_asked_and_explain_what_they_say(separable):
    _, found, _ = separable
    for name in ("pca", "nmf", "unmixing"):
        place = found["embedding"].sel(baseline=name).values
        assert np.isfinite(place).all() and place.shape[1] == 3
        # Three kinds differ in two directions; the noise is a 25th of their variance.
        assert 0.85 < float(found["explained"].sel(baseline=name)) < 1
    shares = found["embedding"].sel(baseline="unmixing").values
    assert np.allclose(shares.sum(1), 1, atol=1e-5)
    amounts = found["embedding"].sel(baseline="nmf").values
    assert (amounts >= 0).all() and (found["pictures"].sel(baseline="nmf").values[:3] >= 0).any()


def test_the_same_seed_gives_the_same_and_the_order_of_methods_does_not_matter(separable):
    patches, found, _ = separable
    asked = {"components": 3, "clusters": 3}
    again, _ = baselines.run(patches, asked | {"methods": [*QUICK[::-1], "tsne"]}, disc=True)
    for name in [*QUICK, "tsne"]:
        xr.testing.assert_identical(
            again[["label", "explained", "stability"]].sel(baseline=name),
            found[["label", "explained", "stability"]].sel(baseline=name),
        )


def test_sites_that_are_not_fitted_get_the_labels_of_their_like(monkeypatch):
    pictures, kind = kinds_of_patches(240)
    monkeypatch.setattr(fit, "MOST", 60)
    found, _ = baselines.run(patches_of(pictures), {"clusters": 3, "components": 3})
    assert found.attrs["fitted_sites"] == 60 and not found["failed"].any()
    for name in ("pca", "kmeans", "gmm", "hdbscan", "som", "isomap", "umap", "tsne"):
        label = found["label"].sel(baseline=name).values
        entry = Entry(name, name, False, label, None, True, np.nan, np.nan)
        assert comparison.ari(entry, kind) > 0.7, name


def test_sites_that_are_not_fitted_are_worked_on_a_bounded_number_at_a_time(monkeypatch):
    # Isomap holds a path from each of them to every fitted site: of 10^6 at once, 12 GB.
    from sklearn.decomposition import NMF
    from sklearn.manifold import Isomap

    pictures, _ = kinds_of_patches(240)
    asked = {"methods": ["isomap", "nmf"], "clusters": 3, "components": 3}
    monkeypatch.setattr(fit, "MOST", 60)
    whole, _ = baselines.run(patches_of(pictures), asked)
    seen = []
    for kind in (Isomap, NMF):
        place = kind.transform
        monkeypatch.setattr(
            kind, "transform", lambda self, x, place=place: [seen.append(len(x)), place(self, x)][1]
        )
    monkeypatch.setattr(baselines.rows, "BLOCK", 50)
    found, _ = baselines.run(patches_of(pictures), asked)
    assert seen and max(seen) <= 60
    np.testing.assert_allclose(found["explained"], whole["explained"], atol=1e-3)
    place = [one["embedding"].sel(baseline="isomap") for one in (found, whole)]
    np.testing.assert_allclose(*place, atol=1e-4)


def test_explained_is_the_share_of_the_variance_however_many_sites_there_are(monkeypatch):
    from vaescope.baselines.rows import explained

    rng = np.random.default_rng(0)
    values = rng.normal(3, 1, (70, 5)).astype(np.float32)
    drawn = values + rng.normal(0, 0.5, values.shape)
    wanted = 1 - ((values - drawn) ** 2).sum() / ((values - values.mean(0)) ** 2).sum()
    for block in (7, 70, 1000):
        monkeypatch.setattr(baselines.rows, "BLOCK", block)
        share = explained(70, lambda some: values[some], lambda some: drawn[some])
        assert share == pytest.approx(wanted, abs=1e-5)


def test_too_few_or_equal_patches_are_told_and_fail_nothing():
    for pictures, words in (
        (np.random.default_rng(0).normal(size=(5, 1, 8, 8)), "too few patches"),
        (np.ones((40, 1, 8, 8)), "do not differ"),
    ):
        found, seconds = baselines.run(patches_of(pictures), {"methods": ["pca", "kmeans"]})
        assert failed_methods(found) == ["pca", "kmeans"] and seconds == {}
        assert words in str(found["note"].sel(baseline="kmeans").values)
        assert (found["label"] == NOISE).all()
        entries = comparison.entries(found, {})
        assert all(entry.failed and entry.note for entry in entries)


def test_one_method_that_fails_costs_no_other(monkeypatch):
    def unlucky(seen):
        raise ValueError("no luck today")

    monkeypatch.setattr("vaescope.baselines.factors.nmf", unlucky)
    pictures, _ = kinds_of_patches(60)
    found, _ = baselines.run(patches_of(pictures), {"methods": ["nmf", "pca"]})
    assert failed_methods(found) == ["nmf"]
    assert "no luck today" in str(found["note"].sel(baseline="nmf").values)
    assert np.isfinite(found["embedding"].sel(baseline="pca").values).all()


def test_an_unknown_method_is_refused_in_words():
    with pytest.raises(UserError) as error:
        baselines.run(patches_of(np.zeros((20, 1, 8, 8))), {"methods": ["pcaa"]})
    assert "pcaa" in str(error.value) and "kmeans" in str(error.value)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    count=st.integers(12, 40),
    channels=st.integers(1, 3),
    side=st.integers(4, 9),
    clusters=st.integers(2, 6),
    components=st.integers(2, 6),
    copies=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_results_have_their_shapes_and_no_value_that_is_no_number(
    count, channels, side, clusters, components, copies, seed
):
    rng = np.random.default_rng(seed)
    pictures = rng.normal(size=(count, channels, side, side))
    if copies:  # only three different patches
        pictures = pictures[rng.integers(0, 3, count)]
        pictures[0] += 1
    asked = {"methods": QUICK, "clusters": clusters, "components": components}
    found, _ = baselines.run(patches_of(pictures), asked, disc=True, seed=seed)
    failed = failed_methods(found)
    for name in QUICK:
        one = found.sel(baseline=name)
        label = one["label"].values
        assert label.shape == (count,) and label.min() >= NOISE
        if name in failed:
            assert str(found["note"].sel(baseline=name).values)
            continue
        whole = np.isfinite(one["embedding"].values)
        assert (whole.all(0) | ~whole.any(0)).all()
        if name in ("pca", "kmeans", "gmm", "som"):
            assert set(np.unique(label)) <= set(range(clusters))
    assert not failed, found["note"].values


def test_failures_and_notes_are_read_from_stores_of_this_and_of_earlier_versions(
    tmp_path, separable
):
    fitted = separable[1]
    old = fitted.drop_vars(["failed", "note"])
    old.attrs |= {"failed": '["nmf"]', "notes": '{"nmf": "failed: no luck"}'}
    for name, held in (("new", fitted), ("old", old)):
        store.write(held, tmp_path / name / "baselines.zarr", provenance={})
    opened = Results(tmp_path / "new").baselines
    xr.testing.assert_equal(opened[["failed", "note"]], fitted[["failed", "note"]])
    entries = comparison.entries(Results(tmp_path / "old").baselines, {})
    notes = {entry.name: entry.note for entry in entries if entry.failed}
    assert notes == {"nmf": "failed: no luck"}


def test_labels_and_embeddings_are_quantities_of_their_method():
    pictures, _ = kinds_of_patches(60)
    asked = {"methods": ["pca", "som", "dbscan"], "components": 3, "clusters": 3}
    found, _ = baselines.run(patches_of(pictures), asked)
    by_column = {one.column: one for one in quantities.of(found) if one.name != "frame"}
    label = by_column["label_som"]
    assert (label.scale, label.group) == ("categorical", quantities.CLASSES)
    assert label.levels[:3] == (0, 1, 2) and label.meanings[2] == "cluster 2"
    assert NOISE not in by_column["label_dbscan"].levels
    place = by_column["embedding_pca_1"]
    assert (place.scale, place.unit) == ("diverging", "")
    np.testing.assert_array_equal(place.values, found["embedding"].values[0, :, 0])


def test_what_a_method_is_stands_in_its_results_and_is_known_of_older_ones():
    pictures, _ = kinds_of_patches(60)
    asked = {"methods": ["pca", "som"], "components": 3, "clusters": 3}
    found, _ = baselines.run(patches_of(pictures), asked)
    assert found["on_grid"].values.tolist() == [False, True]
    assert found["signed"].values.tolist() == [True, False]
    older = found.drop_vars(["own_labels", "signed", "on_grid"])
    for each in (found, older):
        pca, som = comparison.entries(each, {})
        assert (pca.on_grid, pca.signed, pca.own_labels) == (False, True, False)
        assert (som.on_grid, som.signed, som.own_labels) == (True, False, True)
    new = found.assign_coords(on_grid=("baseline", [False, False]))  # as the store says, not a name
    assert not comparison.entries(new, {})[1].on_grid


def test_an_embedding_that_is_the_angle_is_told_from_one_that_does_not_know_it():
    rng = np.random.default_rng(0)
    angle = rng.uniform(-np.pi, np.pi, 600)
    turning = np.stack([np.cos(4 * angle), np.sin(4 * angle)], axis=1)
    about = Angle(angle, 4, "the true angle")
    assert comparison.angle_share(turning + rng.normal(0, 0.01, (600, 2)), about) > 0.99
    assert comparison.angle_share(rng.normal(size=(600, 2)), about) < 0.03
    # Angle and kind together: only the part within a kind is the angle's.
    kind = rng.integers(0, 2, 600)
    apart = np.stack([10.0 * kind, turning[:, 0]], axis=1)
    assert comparison.angle_share(apart, about, kind) == pytest.approx(0.5 / 25.5, rel=0.15)


def test_neighbours_alike_are_coherent_and_those_by_chance_are_not():
    rng = np.random.default_rng(0)
    patches = patches_of(rng.normal(size=(400, 1, 4, 4)))
    near = comparison.neighbours_of(patches)
    halves = (patches["x"].values > 95).astype(int)
    chance = rng.integers(0, 2, 400)
    assert comparison.coherence(halves, near) > 0.85
    assert abs(comparison.coherence(chance, near)) < 0.1
    assert np.isnan(comparison.coherence(np.zeros(400), near))
    assert comparison.moran(patches["x"].values[:, None], near) > 0.85
    assert abs(comparison.moran(rng.normal(size=(400, 2)), near)) < 0.1
    assert comparison.neighbours_of(patches.assign_attrs(method="frames")) is None


def test_neighbours_vote_on_a_bounded_number_of_sites(monkeypatch):
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 5000)
    entry = Entry(
        "pca", "PCA", False, kind, kind[:, None] + rng.normal(0, 0.3, (5000, 1)), False, 1, 1
    )
    asked = []
    vote = comparison.by_neighbours
    monkeypatch.setattr(
        comparison, "by_neighbours", lambda *pair: [asked.append(len(pair[0])), vote(*pair)][1]
    )
    monkeypatch.setattr(comparison, "MOST_VOTED", 600)
    assert comparison.knn(entry, np.where(np.arange(5000) % 2, kind, -1)) > 0.9
    assert asked == [600]


def test_sites_in_no_cluster_are_not_right():
    kind = np.repeat([0, 1], 50)
    label = np.where(np.arange(100) % 2, kind, NOISE)
    assert comparison.accuracy(label, kind) == pytest.approx(0.5)
    assert comparison.accuracy(np.where(kind, NOISE, 0), kind) == pytest.approx(0.5)
    assert comparison.accuracy(np.full(100, NOISE), kind) == 0


def test_kinds_are_whole_numbers_that_are_known_and_differ():
    rng = np.random.default_rng(0)
    patches = patches_of(
        rng.normal(size=(60, 1, 4, 4)),
        phase=np.arange(60) % 2,
        species=np.where(np.arange(60) < 5, np.nan, np.arange(60) % 3),
        angle=rng.normal(size=60),
        defect=np.zeros(60, int),
        held_out=np.arange(60) % 2,
        all=np.arange(60) % 2,  # the name of all kinds together
    )
    kinds = truths(patches)
    assert set(kinds) == {"phase", "species", TOGETHER}
    assert (kinds["species"][:5] == -1).all() and (kinds[TOGETHER][:5] == -1).all()
    assert category_names(patches)[-1] == "phase 1 · species 2"


def test_the_true_angle_of_an_unturned_crystal_is_none_to_hold_embeddings_against():
    angle = np.full(60, 0.14) + np.tile([0, 1e-16], 30)
    assert angle_of(patches_of(np.zeros((60, 1, 4, 4)), angle=angle), {}) is None
    assert angle_of(patches_of(np.zeros((60, 1, 4, 4)), angle=np.linspace(0, 1, 60)), {})


def test_kinds_of_a_simulation_keep_their_names_on_the_way_to_the_comparison():
    image = simulate.make("nio-lsmo?size=128&spacing=16&width=2", 0)
    cut = samples.extract(image, sites.find(image, {"refine": False}), {})
    names = category_names(cut)
    assert "LSMO · La/Sr" in names and "NiO · Ni" in names


@given(st.lists(st.integers(-1, 4), min_size=4, max_size=40), st.integers(0, 100))
def test_labels_take_the_names_of_those_they_share_sites_with(label, seed):
    label = np.array(label)
    rng = np.random.default_rng(seed)
    renamed = np.append(rng.permutation(6), -1)[label]
    back = comparison.matched_labels(renamed, label)
    assert (back == label).all()
