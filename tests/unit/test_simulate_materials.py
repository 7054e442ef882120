"""Simulated materials have the structures, defects and truths that they claim."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import cKDTree

from vaescope import simulate
from vaescope.errors import UserError
from vaescope.simulate import graphene, layers

STILL = ["bifeo3", "nio-lsmo", "mos2", "wse2", "graphene"]
MOVIES = ["graphene-movie", "mos2-movie"]


def table(image, *names):
    return tuple(image[f"truth_{name}"].values for name in names)


def positions(image):
    return np.stack(table(image, "y", "x"), axis=1)


def inner(image, margin):
    p = positions(image)
    return ((p > margin) & (p < image.sizes["y"] - 1 - margin)).all(axis=1)


def angstrom(image):
    return 10 * image.attrs["pixel_size"]


def bond_lengths(sheet):
    """Å, of the bonds well within the sheet, drawn at 24 px to 2.46 Å."""
    inside = (np.linalg.norm(sheet.place, axis=1) < 300)[sheet.bonds].all(axis=1)
    ends = sheet.place[sheet.bonds[inside]]
    return np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) / 24 * 2.46


@pytest.mark.parametrize("name", STILL)
def test_bright_spots_stand_where_columns_are_and_the_other_way_round(name):
    image = simulate.make(f"{name}?size=200&dose=1e6&background=0.01", 1)
    counts = ndimage.gaussian_filter(image.image.values[0, 0], 1.0)
    peaks = np.argwhere(
        (counts == ndimage.maximum_filter(counts, 7)) & (counts > 0.2 * counts.max())
    )
    inside = ((peaks > 8) & (peaks < 191)).all(axis=1)
    # Half a pixel of rounding and the slopes of neighbours.
    assert cKDTree(positions(image)).query(peaks[inside])[0].max() < 1.2
    strong = inner(image, 8) & (image.truth_species.values == (1 if name == "graphene" else 0))
    bright = np.argwhere(counts == ndimage.maximum_filter(counts, 5))
    assert strong.any()
    assert cKDTree(bright).query(positions(image)[strong])[0].max() < 1.2


@pytest.mark.parametrize("name", STILL + MOVIES)
def test_every_system_is_made_again_by_its_seed(name):
    small = f"{name}?size=96" + ("&frames=3" if name in MOVIES else "")
    first, again, other = (simulate.make(small, seed) for seed in (5, 5, 6))
    assert first.identical(again)
    assert not np.array_equal(first.image, other.image)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(STILL + MOVIES),
    seed=st.integers(0, 2**31),
    size=st.integers(64, 120),
    spacing=st.floats(8, 40),
    width=st.floats(1, 4),
    angle=st.floats(-180, 180),
    bend=st.floats(-10, 10),
    extra=st.fixed_dictionaries(
        {
            "drift": st.floats(0, 20),
            "scan_noise": st.floats(0, 2),
            "contamination": st.floats(0, 1),
            "tilt": st.floats(0, 8),
            "tails": st.floats(0, 0.5),
        }
    ),
)
def test_whatever_is_asked_the_truth_is_whole(name, seed, size, spacing, width, angle, bend, extra):
    asked = dict(size=size, spacing=spacing, width=width, angle=angle, bend=bend, **extra)
    asked |= {"frames": 2} if name in MOVIES else {}
    asked |= {"holes": 0} if name.startswith("graphene") else {}  # else it may be all hole
    words = "&".join(f"{key}={value}" for key, value in asked.items())
    image = simulate.make(f"{name}?{words}", seed)
    assert image.image.shape == (2 if name in MOVIES else 1, 1, size, size)
    assert np.isfinite(image.image.values).all() and (image.image.values >= 0).all()
    p = positions(image)
    assert len(p) and (p >= 0.5).all() and (p <= size - 1.5).all()
    for key, values in image.data_vars.items():
        if key != "image":
            assert values.dims == ("truth_site",) and np.isfinite(values.values).all(), key
            assert values.attrs["units"] and values.attrs["long_name"]
    assert (image.truth_bound.values > 0).all()
    for key in ("defect", "species", "phase"):
        if f"truth_{key}_names" in image.attrs:
            assert table(image, key)[0].max() < len(image.attrs[f"truth_{key}_names"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("square?domains=3", ["square", "domains", "spacing"]),
        ("mos2?vacancys=0.1", ["Did you mean `vacancies`"]),
        ("bifeo3?domains=2.5", ["whole"]),
        ("graphene?frames=3", ["frames"]),
        ("grafene", ["graphene", "Did you mean"]),
        ("graphene-movie?size=8192&frames=1000", ["too many unit cells", "fewer `frames`"]),
        ("graphene-movie?size=8192&frames=10&spacing=100", ["too large", "fewer frames"]),
    ],
)
def test_what_a_system_cannot_do_is_refused(name, words):
    with pytest.raises(UserError) as error:
        simulate.make(name, 0)
    for word in words:
        assert word in str(error.value)


def test_fe_stands_off_the_middle_of_its_bi_as_told():
    """0.24 Å along each axis: Fe at 0.22021 c instead of a quarter, seen along [001]."""
    image = simulate.make("bifeo3?angle=15", 3)
    p, (species, phase) = positions(image), table(image, "species", "phase")
    fe = inner(image, 40) & (species == 1)
    bi = p[species == 0]
    offset = p[fe] - bi[cKDTree(bi).query(p[fe], k=4)[1]].mean(axis=1)
    told = np.stack(table(image, "polar_y", "polar_x"), axis=1)[fe]
    np.testing.assert_allclose(offset, told, atol=1e-6)
    np.testing.assert_allclose(np.hypot(*told.T) * angstrom(image), 0.24 * np.sqrt(2), atol=0.005)
    direction = np.degrees(np.arctan2(-told[:, 0], told[:, 1])) - 15
    away = (direction - (45 + 90 * phase[fe]) + 180) % 360 - 180
    np.testing.assert_allclose(away, 0, atol=1e-3)
    assert set(phase) == {0, 1, 2, 3}


def test_polar_vectors_follow_a_bent_lattice_at_bi_too():
    image = simulate.make("bifeo3?bend=10", 0)
    y, x, t, phase = table(image, "polar_y", "polar_x", "angle", "phase")
    away = np.arctan2(-y, x) - t - np.pi / 4 - np.pi / 2 * phase
    # The lattice turns a little between a column and the place that it is displaced to.
    np.testing.assert_allclose(np.angle(np.exp(1j * away)), 0, atol=0.01)


def test_nio_and_lsmo_keep_their_own_lattices():
    image = simulate.make("nio-lsmo", 2)
    p, species = positions(image), table(image, "species")[0]
    for kind, distance in ((0, 3.88), (1, 3.88), (2, 4.18 / 2)):
        here = inner(image, 60) & (species == kind)
        nearest = cKDTree(p[species == kind]).query(p[here], k=2)[0][:, 1] * angstrom(image)
        assert np.median(nearest) == pytest.approx(distance, abs=1e-6)
    assert cKDTree(p).query(p, k=2)[0][:, 1].min() > 0.45 * 24
    assert image.attrs["truth_species_names"] == ["La/Sr", "Mn", "Ni"]


@pytest.mark.parametrize(("name", "distance"), [("mos2", 3.18), ("wse2", 3.283)])
def test_layers_have_as_many_defects_as_asked(name, distance):
    image = simulate.make(f"{name}?size=700&dopants=0.1&vacancies=0.2&divacancies=0.06", 4)
    p, (species, defect) = positions(image), table(image, "species", "defect")
    metal, pair = species == layers.METAL, species == layers.PAIR
    n = metal.sum()
    for found, asked in (
        ((defect == layers.DOPANT).sum(), 0.1 * n),
        ((defect == layers.SINGLE).sum(), 0.2 * n),
        (n - pair.sum(), 0.06 * n),  # a metal atom to each pair, but for the edge of the image
    ):
        assert abs(found - asked) < 4 * np.sqrt(asked) + 10
    assert not (defect[metal] == layers.SINGLE).any()
    assert set(defect[pair]) == {layers.PRISTINE, layers.SINGLE}
    nearest = cKDTree(p[metal]).query(p[metal & inner(image, 30)], k=2)[0][:, 1]
    np.testing.assert_allclose(nearest * angstrom(image), distance, atol=1e-6)


def test_metal_beside_a_double_vacancy_is_metal_that_lacks_a_neighbour():
    image = simulate.make("mos2?size=500&divacancies=0.08", 1)
    p, (species, defect) = positions(image), table(image, "species", "defect")
    here = inner(image, 30) & (species == layers.METAL) & (defect != layers.DOPANT)
    # Pairs stand 24/√3 px from the metal.
    around = cKDTree(p[species == layers.PAIR]).query_ball_point(
        p[here], 1.1 * 24 / np.sqrt(3), return_length=True
    )
    assert ((around < 3) == (defect[here] == layers.BESIDE)).all()
    assert (around < 3).any()


def test_a_pair_that_lacks_one_atom_scatters_half():
    image = simulate.make("mos2?dose=1e6&background=0.001&dopants=0&vacancies=0.3&width=2", 0)
    counts, p = image.image.values[0, 0], np.round(positions(image)).astype(int)
    species, defect = table(image, "species", "defect")
    peak = counts[p[:, 0], p[:, 1]]
    bright, dim = (
        peak[(species == layers.PAIR) & (defect == kind)]
        for kind in (layers.PRISTINE, layers.SINGLE)
    )
    assert np.median(dim) / np.median(bright) == pytest.approx(0.5, abs=0.03)


def test_graphene_has_bonds_of_142_pm_and_three_neighbours():
    image = simulate.make("graphene?spacing=30", 2)
    p, (defect, species) = positions(image), table(image, "defect", "species")
    here = inner(image, 40)
    distance = cKDTree(p).query(p[here], k=4)[0][:, 1:] * angstrom(image)
    calm = distance[defect[here] == graphene.PRISTINE]
    assert np.median(calm) == pytest.approx(1.42, abs=0.01)
    assert np.mean(np.abs(calm - 1.42) < 0.05) > 0.9
    carbon = (defect[here] == graphene.RING) | (defect[here] == graphene.PRISTINE)
    assert (distance[carbon] < 1.95).all()  # 1.88 Å: beside silicon with four neighbours
    edge = defect[here] == graphene.EDGE
    assert edge.any() and (distance[edge, 2] > 1.95).all()
    assert ((defect == graphene.SILICON3) | (defect == graphene.SILICON4) == (species == 1)).all()


def test_bonds_of_graphene_point_where_the_angle_says():
    """Bonds stand at 30° to the lattice vectors."""
    image = simulate.make("graphene?angle=5&grain=22&bend=6&silicon=0&stone_wales=0", 3)
    p, (angle, phase, defect) = positions(image), table(image, "angle", "phase", "defect")
    here = np.flatnonzero(inner(image, 40) & (defect == graphene.PRISTINE))
    nearest = cKDTree(p).query(p[here], k=2)[1][:, 1]
    along = p[nearest] - p[here]
    direction = np.arctan2(-along[:, 0], along[:, 1]) - angle[here] - np.pi / 6
    away = np.degrees(np.angle(np.exp(6j * direction)) / 6)
    assert np.median(np.abs(away)) < 0.5
    assert np.degrees(angle[phase == 1].mean() - angle[phase == 0].mean()) == pytest.approx(
        22 + 3, abs=1
    )


def test_a_turned_bond_makes_two_pentagons_and_two_heptagons_of_16_atoms():
    p = graphene.Graphene(grain=0.0, holes=0, silicon=0.0, stone_wales=0.01)
    made = graphene.sheet(p, np.random.default_rng(0), p.size)
    count = made.ring.sum()
    assert count >= 32 and count % 16 == 0
    length = bond_lengths(made)
    assert length.min() > 1.25 and length.max() < 1.6


@pytest.mark.parametrize("grain", [0.0, 10.0, 30.0])
def test_only_a_grain_boundary_has_rings_of_five_and_seven(grain):
    p = graphene.Graphene(grain=grain, holes=0, silicon=0.0, stone_wales=0.0)
    made = graphene.sheet(p, np.random.default_rng(1), p.size)
    assert made.ring.any() == bool(grain)
    middle = np.linalg.norm(made.place, axis=1) < 250
    assert (made.degree()[middle] == 3).all()
    length = bond_lengths(made)
    assert length.min() > 1.3 and length.max() < 1.55
    assert length.mean() == pytest.approx(1.42, abs=0.01)


def test_silicon_is_as_frequent_as_asked_and_has_three_or_four_neighbours():
    image = simulate.make("graphene?size=900&silicon=0.02&fourfold=0.5&holes=0&grain=0", 0)
    p, defect = positions(image), table(image, "defect")[0]
    three, four = ((defect == k).sum() for k in (graphene.SILICON3, graphene.SILICON4))
    asked = 0.02 * len(p)
    assert abs(three + four - asked) < 4 * np.sqrt(asked)
    assert abs(four - asked / 2) < 4 * np.sqrt(asked / 2)
    here = inner(image, 40) & (defect == graphene.SILICON4)
    distance = cKDTree(p).query(p[here], k=6)[0][:, 1:] * angstrom(image)
    assert (distance[:, 3] < 1.95).all() and (distance[:, 4] > 2.2).all()


def test_every_system_and_parameter_is_explained():
    words = (Path(__file__).parents[2] / "config/README.md").read_text(encoding="utf-8")
    for name, system in {
        **simulate.SYSTEMS,
        **simulate.SPECTRA,
        **simulate.PIEZO,
        **simulate.LATTICES,
    }.items():
        for each in [name, *(field.name for field in fields(system.parameters))]:
            assert f"`{each}`" in words, each
