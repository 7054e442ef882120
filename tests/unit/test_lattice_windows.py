"""Windows of a lattice: its unit cell, the grid of shifts over it, and what a model finds by it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sites_detect import as_image

from vaescope import ensemble, samples, simulate, sites, train
from vaescope.ensemble import lattice_offsets
from vaescope.models import pose
from vaescope.models.copies import turned_copies
from vaescope.models.settings import ModelSettings
from vaescope.models.shift_grid import ShiftGrid, fold, with_symmetry
from vaescope.scores import truth
from vaescope.sites import scale
from vaescope.sites.unit_cell import modulo, reduced, unit_cell


def cell_of(name, seed=1):
    frame = simulate.make(name, seed).image.values[0, 0].astype(float)
    return unit_cell([frame[part] for part in scale.crops(*frame.shape)])


@pytest.mark.parametrize(
    ("name", "length", "angle"),
    [
        ("bifeo3?size=256&angle=0", 24, 90),  # Fe does not halve the cell of Bi
        ("bifeo3?size=256&angle=23&dose=100", 24, 90),
        ("bifeo3?size=256&spacing=13&width=1.6", 13, 90),
        ("wse2?size=256", 24, 120),
    ],
)
def test_the_cell_of_a_lattice_is_found_to_a_share_of_a_pixel(name, length, angle):
    cell = cell_of(name)
    assert np.hypot(*cell.T) == pytest.approx([length] * 2, abs=0.15)
    between = np.degrees(np.arccos(cell[0] @ cell[1] / np.prod(np.hypot(*cell.T))))
    assert min(between, 180 - between) == pytest.approx(min(angle, 180 - angle), abs=1)


def test_noise_and_single_atoms_have_no_cell():
    noise = np.random.default_rng(0).normal(size=(256, 256))
    assert unit_cell([noise]) is None
    assert unit_cell([np.zeros((256, 256))]) is None
    assert cell_of("single-atoms") is None


@pytest.mark.parametrize(
    ("length", "angle", "symmetry"),
    [(1, 90, 4), (1.06, 93, 4), (1, 60, 6), (0.95, 122, 6), (1.3, 90, 2), (1, 75, 2)],
)
@given(turn=st.floats(0, 360))
def test_the_symmetry_of_a_lattice_survives_the_distortions_of_a_scan(
    length, angle, symmetry, turn
):
    ways = np.radians([turn, turn + angle])
    cell = np.stack([np.cos(ways), np.sin(ways)], 1) * [[0.5], [0.5 * length]]
    assert fold(cell.tolist()) == symmetry
    own = ModelSettings(rotation=True, offsets=True, symmetry="auto", turns=12)
    found = with_symmetry(own, cell.tolist())
    assert (found.symmetry, found.turns) == (symmetry, 12 // symmetry)
    assert with_symmetry(own, None).symmetry == 1 == own.fold


vectors = st.tuples(st.floats(-20, 20), st.floats(-20, 20))


@given(vectors, vectors, vectors, st.integers(-5, 5), st.integers(-5, 5))
def test_shifts_modulo_a_cell_are_the_shortest_of_their_equivalents(one, other, shift, i, j):
    cell = np.array([one, other])
    if abs(np.linalg.det(cell)) < 1:
        return
    cell, shift = reduced(cell), np.array(shift)
    found = modulo(shift, cell)
    steps = (found - shift) @ np.linalg.inv(cell)
    assert steps == pytest.approx(np.rint(steps), abs=1e-6)
    assert np.hypot(*found) <= np.hypot(*(found + i * cell[0] + j * cell[1])) + 1e-9


GIVEN = ModelSettings.from_recipe({"variant": "rtvae", "turns": 8})
CELL = [[0.7, 0.1], [-0.1, 0.7]]


def wave(points):
    """A lattice of that cell at points (…, 2) as (x, y)."""
    share = 2 * np.pi * points @ np.linalg.inv(np.array(CELL))
    return np.cos(share[..., 0]) + 0.6 * np.cos(share[..., 1] + 1) + 0.4 * np.sin(share.sum(-1))


def test_copies_undo_the_turns_and_shifts_of_the_grid():
    side, grid = 48, ShiftGrid.of(GIVEN, CELL)
    copies = turned_copies((1, side, side), GIVEN, grid)
    points = pose.points((side, side))[:2].T.numpy()
    seen = points[copies.where.numpy()]
    turns, nodes = pose.turns_of(GIVEN), grid.nodes
    for turn, node in ((0, 5), (1, 3), (3, 14), (6, 9)):
        angle, shift = turns[turn], nodes[node].numpy()
        back = pose.rotation(-angle).double().numpy()
        patch = wave((points - shift) @ back.T).reshape(1, 1, side, side)
        patch = torch.tensor(patch, dtype=torch.float32)
        index = turn * len(nodes) + node
        found = copies(patch)[0, index].numpy()
        inner = np.hypot(*seen.T) < 0.55  # what is taken from beyond belongs to a turned lattice
        np.testing.assert_allclose(found[inner], wave(seen)[inner], atol=0.05)
        alone = copies.some(patch, torch.tensor([[index]]))[0, 0].numpy()
        np.testing.assert_allclose(alone, found, atol=2e-5)


def test_a_window_is_seen_whole_at_every_shift_of_its_lattice():
    chosen = ModelSettings.from_recipe({"variant": "tvae"})
    grid = ShiftGrid.of(chosen, CELL)
    copies = turned_copies((1, 48, 48), chosen, grid)
    points = pose.points((48, 48))[:2].T.numpy()
    for index, shift in enumerate(grid.nodes.numpy()):
        patch = torch.tensor(wave(points - shift).reshape(1, 1, 48, 48), dtype=torch.float32)
        np.testing.assert_allclose(copies(patch)[0, index].numpy(), wave(points), atol=0.05)


@pytest.mark.parametrize("change", [{"shifts": 1}, {"offsets": False}, {"variant": "vae"}])
def test_without_shifts_there_is_no_grid(change):
    chosen = ModelSettings.from_recipe({"variant": "tvae", **change})
    assert ShiftGrid.of(chosen, CELL) is None
    assert ShiftGrid.of(ModelSettings.from_recipe({"variant": "tvae"}), None) is None


@settings(deadline=None, max_examples=20)
@given(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
def test_pictures_are_laid_onto_each_other_modulo_the_cell(y, x):
    points = pose.points((24, 24))[:2].T.numpy()
    reference = wave(points).reshape(1, 24, 24)
    moved = wave(points - [x, y]).reshape(1, 1, 24, 24)
    cell = np.array(CELL)[:, ::-1]
    found = lattice_offsets.registered(moved, reference, cell)
    assert modulo(found[0] - [y, x], cell) == pytest.approx([0, 0], abs=0.005)


def test_a_mean_of_shifts_goes_round_the_cell():
    cell = np.array([[10.0, 0.0], [0.0, 8.0]])
    shift = np.array([[[4.8, 1.0]], [[-4.8, 1.2]]])
    assert np.abs(lattice_offsets.mean(shift, cell)[0]) == pytest.approx([5.0, 1.1])
    spread = lattice_offsets.spread(shift, np.zeros_like(shift), cell)
    assert spread[0] == pytest.approx([0.2, 0.1])


def trained(folder, image, members=2, **more):
    found = sites.find(image, {"method": "windows"})
    cut = samples.extract(image, found, {"pixels": 24}).load()
    chosen = {"variant": "tvae", "steps": 400, "hidden": 128, **more}
    where = {"out": folder / "members", "checkpoints": folder / "checkpoints"}
    quiet = {"log": lambda _: None}
    train.fit(cut, chosen, members=range(members), seed=0, **where, **quiet)
    return ensemble.map_latents(folder / "members", cut).load()


def test_a_model_of_windows_sees_domains_and_the_phase_of_the_lattice(tmp_path):
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    image = simulate.make("bifeo3?size=320&domains=2&dose=4000&angle=11", 3)
    latents = trained(tmp_path, image)
    content, phase = latents.consensus_content.values, latents.truth_phase.values
    label = KMeans(len(np.unique(phase)), n_init=10, random_state=0).fit_predict(content)
    assert adjusted_rand_score(phase, label) > 0.7  # 0.00 with one normal posterior of the shift
    scores = truth.scores(latents, 1)
    assert scores["lattice_offset_median_error_px"] < 0.15
    for letter in "ab":
        about = latents[f"consensus_lattice_phase_{letter}"].attrs
        assert about["period"] == pytest.approx(24, abs=0.2) and about["units"] == "px"
        assert about["scale"] == "cyclic" and about["ancillary_variables"] in latents


def test_images_without_a_lattice_keep_the_normal_posterior(tmp_path):
    picture = np.random.default_rng(0).normal(size=(1, 1, 160, 160)).astype(np.float32)
    latents = trained(tmp_path, as_image(picture), members=1, steps=10)
    assert "cell" not in latents.attrs
    assert "offset" in latents and "lattice_offset" not in latents
