"""Figures of polarisation: arrows that point where the vectors do, on the right curl, and loops."""

from __future__ import annotations

import matplotlib.quiver
import numpy as np
import pytest
from matplotlib.figure import Figure

from vaescope import simulate, store
from vaescope.figures import Look, house, load, polarisation, polarisation_course
from vaescope.results import Results
from vaescope.simulate import ferrosim
from vaescope.sites import find


def arrows(axes):
    return next(c for c in axes.collections if isinstance(c, matplotlib.quiver.Quiver))


def pointing(axes, drawn):
    """Directions (arrow, 2) on the page, x to the right and y downwards."""
    axes.figure.canvas.draw()
    start = axes.transData.transform(drawn.XY)
    end = axes.transData.transform(drawn.XY + np.stack([drawn.U, drawn.V], axis=1))
    return (end - start) * [1, -1]


def test_arrows_turn_as_the_curl_says():
    y, x = np.mgrid[:9, :9] - 4.0
    vortex = np.stack([-y, x])
    assert ferrosim.curl(vortex)[4, 4] > 0  # clockwise as seen
    axes = Figure().add_subplot()
    polarisation.quiver(axes, vortex)
    drawn = arrows(axes)
    assert drawn.angles == "xy"
    right = int(np.argmin(np.hypot(drawn.X - 8, drawn.Y - 4)))
    top = int(np.argmin(np.hypot(drawn.X - 4, drawn.Y - 0)))
    seen = pointing(axes, drawn)
    assert seen[right][1] > 0 and abs(seen[right][0]) < 1e-6  # on the right, downwards
    assert seen[top][0] > 0 and abs(seen[top][1]) < 1e-6  # on top, to the right


@pytest.mark.parametrize(("shape", "side"), [((10, 10), 1), ((40, 30), 3), ((7, 37), 3)])
def test_arrows_are_means_of_squares_of_sites(shape, side):
    rng = np.random.default_rng(0)
    p = rng.normal(0, 1, (2, *shape))
    axes = Figure().add_subplot()
    polarisation.quiver(axes, p, most=18)
    drawn = arrows(axes)
    assert len(drawn.U) == (shape[0] // side) * (shape[1] // side)
    assert drawn.U[0] == pytest.approx(p[0, :side, :side].mean())
    assert (drawn.X[0], drawn.Y[0]) == ((side - 1) / 2, (side - 1) / 2)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    root = tmp_path_factory.mktemp("polarisation")
    image = simulate.make("ferrosim?size=24&frames=9&boundary=periodic&field=40", 0)
    store.write(image, root / "image.zarr", provenance={})
    made = find(image, {"method": "windows", "window": 8})
    store.write(made, root / "sites.zarr", provenance={})
    with house():
        yield load(Results(root), [], Look(), "version")


def test_a_movie_is_drawn_with_its_field_loop_and_energies(scene):
    drawn = polarisation.maps(scene)
    titles = [axes.get_title("left") for axes in drawn.figure.axes]
    assert "frame 3 · field (0, 40) Ec" not in titles[0]
    assert titles[0] == "frame 1 · field (0, 0) Ec"
    shown = drawn.figure.axes[0].images[0].get_array()
    values = scene.pixels.values[0]
    assert np.allclose(shown, ferrosim.curl(values.astype(float), boundary="periodic"))
    course = polarisation_course.course(scene)
    panels = {axes.get_title("left"): axes for axes in course.figure.axes}
    assert set(panels) == {"loop, along y", "components in time", "parts of the energy"}
    table = course.figure_data.tables[""].columns
    mean = scene.pixels.values[:, 1].mean(axis=(1, 2))
    assert np.allclose(table["mean_y"], mean, atol=1e-6)
    clip = polarisation.polarisation_clip(scene)
    assert clip.data.startswith(b"GIF") and "9 of 9" in clip.caption
