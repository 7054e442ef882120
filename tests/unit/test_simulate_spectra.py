"""Simulated particles, edges and loops have the physics and the truths that they claim."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from vaescope import simulate, store
from vaescope.errors import UserError
from vaescope.simulate import edges, loops, particles
from vaescope.simulate.bodies import Body

NAMES = {
    "plasmons": "plasmons?size=20&particles=1&radius=3&energies=16",
    "particles": "particles?count=6&size=32&energies=16&polarisers=3",
    "eels-interface": "eels-interface?rows=2&columns=12&pixels=8&energies=64",
    "loops": "loops?size=12&steps=32",
    "trajectories": "trajectories?count=12&steps=32",
}


def made(name, seed=0):
    return simulate.make(name, seed).load()


def table(dataset, name):
    return dataset[f"truth_{name}"].values.ravel()


@pytest.mark.parametrize("name", sorted(simulate.SPECTRA))
def test_every_spectrum_image_says_what_it_is_and_survives_its_store(name, tmp_path):
    first = made(NAMES[name])
    assert first.identical(made(NAMES[name]))
    assert not np.array_equal(first.spectra, made(NAMES[name], 1).spectra)
    grid = ("time", "spectrum_y", "spectrum_x")
    assert first.spectra.dims == first.truth_spectrum.dims == (*grid, "energy")
    assert first.spectra.dtype == np.float32
    for key in first.data_vars:
        about = first[key].attrs
        assert about["long_name"] and about["units"], key
        assert np.isfinite(first[key]).all(), key
        if key.startswith("truth_") and key != "truth_spectrum":
            assert first[key].dims == grid, key
    assert {"long_name", "units"} <= set(first.energy.attrs)
    # The last spectrum lies within the image, and is centred as the first one is.
    for side in "yx":
        last = first.attrs[f"start_{side}"] + first.attrs[f"pitch_{side}"] * (
            first.sizes[f"spectrum_{side}"] - 1
        )
        assert last + first.attrs[f"start_{side}"] == pytest.approx(first.sizes[side] - 1)
    store.write(simulate.make(NAMES[name], 0), tmp_path / "it.zarr")
    again = store.open(tmp_path / "it.zarr").load()
    assert np.array_equal(again.spectra, first.spectra)


@pytest.mark.parametrize("name", ["particles", "eels-interface"])
def test_counts_are_poisson(name):
    scene = made(name + "?dose=50", 2)
    counts, expected = scene.spectra.values, scene.truth_spectrum.values
    residual = (counts - expected) / np.sqrt(expected)
    assert residual.var() == pytest.approx(1, abs=0.04)
    assert abs(residual.mean()) < 4 / np.sqrt(residual.size)


def seen_by(bodies, count=8):
    wavelength, polariser = particles.channels(64, count)
    light = particles.scattered([b.scaled(8.0) for b in bodies], wavelength, polariser)
    return light.reshape(count, 64), wavelength[:64], polariser[::64]


@given(angle=st.floats(0, np.pi), aspect=st.floats(1.3, 4))
@settings(max_examples=25, deadline=None)
def test_the_light_of_a_rod_is_a_cosine_of_twice_its_angle(angle, aspect):
    rod = Body(0, 0, angle, 3 * aspect, 3, rod=True)
    light, _, polariser = seen_by([rod])
    total = light.sum(1)
    phase = (total * np.exp(2j * polariser)).sum()
    found = np.angle(phase) / 2
    assert np.cos(2 * (found - angle)) == pytest.approx(1, abs=1e-6)
    # Nothing but a constant and this cosine.
    wave = np.stack([np.ones(8), np.cos(2 * polariser), np.sin(2 * polariser)], 1)
    left = total - wave @ np.linalg.lstsq(wave, total, rcond=None)[0]
    assert abs(left).max() < 1e-9 * total.max()


def test_rods_and_clusters_scatter_red_of_spheres():
    def reddest(bodies):
        light, wavelength, _ = seen_by(bodies)
        return wavelength[light.max(0).argmax()]

    sphere = Body(0, 0, 0.0, 3.5, 3.5)
    chain = [Body(0, 7.5 * k, 0.0, 3.5, 3.5) for k in range(3)]
    at = [reddest(bodies) for bodies in ([sphere], chain[:2], chain)]
    assert at[0] < at[1] < at[2]
    rods = [reddest([Body(0, 0, 0.3, 3.5 * a, 3.5, rod=True)]) for a in (1.2, 2.0, 3.0)]
    assert rods[0] < rods[1] < rods[2]
    near, far = (reddest([sphere, Body(0, 7 + gap, 0.0, 3.5, 3.5)]) for gap in (0.3, 6))
    assert near > far
    # A gold sphere of 56 nm in oil: 540 to 570 nm.
    assert 530 < at[0] < 580


def test_a_rod_lies_in_its_picture_as_its_angle_says():
    scene = made("particles?count=40&rods=1&monomers=0&electrons=1e5", 1)
    assert (table(scene, "kind") == particles.KINDS.index("rod")).all()
    axis = np.arange(32.0) - 15.5
    for picture, angle, y, x in zip(
        scene.image.values[:, 0],
        table(scene, "angle"),
        table(scene, "shift_y"),
        table(scene, "shift_x"),
        strict=True,
    ):
        weight = np.clip(picture - 0.3e5, 0, None)
        dy, dx = axis[:, None] - y, axis[None] - x
        spin = (weight * (dx - 1j * dy) ** 2).sum()
        assert np.cos(np.angle(spin) - 2 * angle) > 0.98
        assert abs((weight * dy).sum() / weight.sum()) < 0.2


def test_shares_of_kinds_are_those_that_are_wanted():
    kinds = table(
        made("particles?count=2000&energies=8&polarisers=1&rods=0.4&monomers=0.2"), "kind"
    )
    share = np.bincount(kinds, minlength=4) / 2000
    assert share == pytest.approx([0.2, 0.2, 0.2, 0.4], abs=0.04)


def test_particles_that_leave_their_picture_are_refused():
    with pytest.raises(UserError, match="`radius`"):
        simulate.make("particles?radius=12&size=32")


def test_the_chemical_shift_is_found_again_in_the_mean_spectra():
    """The white lines of both sides, fitted: the first edge lies 1.6 eV higher on the right."""
    scene = made("eels-interface?shift=1.6&dose=3000&columns=40", 3)
    energy = scene.energy.values
    window = (energy > 445) & (energy < 470)
    right = scene.truth_abundance_1.values[0]
    found = []
    for side in (right < 0.01, right > 0.99):
        mean = scene.spectra.values[0][side].mean(0)

        def model(e, shift, scale, slope, jump):
            p = edges.EelsInterface(jump=1.0, resolution=0.8)
            bare = edges.spectrum(e, shift, 0.0, edges.EelsInterface(jump=0.0))
            return scale * bare * (1 + slope * (e - 457) / 100) + jump * (
                edges.spectrum(e, shift, 0.0, p) - bare
            )

        start = [0.3, mean[0], 0.0, 0.8 * mean[0]]
        found.append(curve_fit(model, energy[window], mean[window], start)[0][0])
    assert found[1] - found[0] == pytest.approx(1.6, abs=0.03)
    assert found[0] == pytest.approx(0.0, abs=0.03)


def test_abundances_add_up_and_cross_at_the_interface():
    scene = made("eels-interface?interface=2&shift=-0.7", 1)
    left, right, distance = (table(scene, k) for k in ("abundance_0", "abundance_1", "distance"))
    assert left + right == pytest.approx(1)
    assert table(scene, "shift") == pytest.approx(-0.7 * right)
    assert (right[distance > 0] > 0.5).all() and (right[distance < 0] < 0.5).all()
    # Heavier atoms, and so a brighter picture, on the right.
    picture = scene.image.values[0, 0]
    assert picture[:, -200:].mean() > 1.5 * picture[:, :200].mean()


def test_the_background_falls_as_a_power_of_the_energy():
    scene = made("eels-interface?jump=0", 0)
    curve = scene.truth_spectrum.values[0, 0, 0]
    slope = np.polyfit(np.log(scene.energy.values), np.log(curve), 1)[0]
    assert slope == pytest.approx(-3, abs=1e-3)
    assert np.interp(456, scene.energy.values, curve) == pytest.approx(
        300 * table(scene, "thickness")[0], rel=1e-3
    )


@given(
    coercive=st.floats(1, 5),
    imprint=st.floats(-2, 2),
    response=st.floats(0.5, 2),
    offset=st.floats(-0.5, 0.5),
)
@settings(max_examples=40, deadline=None)
def test_a_loop_closes_and_crosses_its_middle_at_imprint_and_coercive_bias(
    coercive, imprint, response, offset
):
    bias, rising = loops.waveform(4000, 12.0)
    curve = loops.loop(bias, rising, *(np.array(v) for v in (coercive, imprint)), 0.8,
                       np.array(response), np.array(offset))  # fmt: skip
    assert abs(np.diff(np.append(curve, curve[0]))).max() < 0.02 * response
    up, down = (
        np.interp(offset, curve[part][order], bias[part][order])
        for part in (rising, ~rising)
        for order in [np.argsort(bias[part])]
    )
    assert (up - down) / 2 == pytest.approx(coercive, abs=0.02)
    assert (up + down) / 2 == pytest.approx(imprint, abs=0.02)


def test_walls_soften_loops_and_domains_imprint_them():
    scene = made("loops?drop=0.5", 4)
    distance, coercive, imprint = (table(scene, k) for k in ("distance", "coercive", "imprint"))
    near, far = abs(distance) < 1, abs(distance) > 8
    assert coercive[near].mean() < 0.7 * coercive[far].mean()
    assert (np.sign(imprint) == -np.sign(distance)).all()
    # Up is bright in the picture.
    up = table(scene, "domain") == 1
    assert ((scene.image.values.ravel() > 0) == up)[abs(distance) > 2].mean() > 0.99
    residual = (scene.spectra - scene.truth_spectrum).values
    assert residual.std() == pytest.approx(0.08, rel=0.02)
