"""What was not measured is hatched, counted and said, and exported as NaN: never shown as data."""

import base64
import copy
import io

import fake_results
import numpy as np
import pytest
import xarray as xr
import zarr
from PIL import Image

from vaescope import read
from vaescope.exchange import ome, signals
from vaescope.explorer.backdrop import backdrop
from vaescope.figures import dataset as of_dataset
from vaescope.figures import style, unmeasured
from vaescope.figures.animation import class_clip
from vaescope.figures.maps import maps
from vaescope.figures.panels import micrograph
from vaescope.figures.scene import load
from vaescope.figures.settings import Look
from vaescope.judge.of_image import of_image
from vaescope.report import write_report
from vaescope.report.methods import methods
from vaescope.results import Results
from vaescope.results.coverage import Coverage, coarse, coverage, with_gaps

KEPT = 60  # rows of 90 that were measured


def image_of(measured, **attrs):
    """An image store of two values: 1 where it was measured, filled in with −1000 elsewhere."""
    measured = np.asarray(measured)
    values = np.where(measured, 1.0, -1000.0).astype(np.float32)
    return xr.Dataset(
        {"image": (("time", "channel", "y", "x"), values[:, None], {"units": "nm"})}
        | {"measured": (("time", "y", "x"), measured)},
        attrs=attrs,
    )


def without(rows, frames=1, side=100):
    measured = np.ones((frames, side, side), bool)
    measured[0, rows] = False
    return measured


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results whose image ends after two thirds of its rows, filled in with a black level."""
    made = fake_results.make(tmp_path_factory.mktemp("results"), shape=(90, 120), models=("jrvae",))
    fake_results.stop(made, KEPT)
    fake_results.judge(made, ["jrvae"])
    return made


@pytest.fixture(scope="module")
def scene(folder):
    return load(Results(folder), ["jrvae"], Look(), "test")


def pixels(figure, axes):
    """The pixels of the axes of a figure, (height, width, 3) from 0 to 255."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = axes.get_window_extent()
    whole = np.asarray(canvas.buffer_rgba())[..., :3]
    high = len(whole)
    rows = slice(round(high - box.y1) + 2, round(high - box.y0) - 2)
    return whole[rows, round(box.x0) + 2 : round(box.x1) - 2].astype(int)


def gap_is_hatched(shown):
    """Whether the lower third holds nothing but the tones of the hatch, and the rest does not."""
    from matplotlib.colors import to_rgb

    ground, stripe = (255 * np.array(to_rgb(c)) for c in (unmeasured.GROUND, unmeasured.STRIPE))
    # Blends of the two tones lie on the line between them.
    along = np.clip((shown - ground) @ (stripe - ground) / ((stripe - ground) ** 2).sum(), 0, 1)
    off = np.abs(shown - (ground + along[..., None] * (stripe - ground))).max(-1)
    cut = round(KEPT / 90 * len(shown))
    gap, rest = off[cut + 4 : -4, 4:-4], off[: cut - 4]
    both = np.ptp(along[cut + 4 : -4, 4:-4])
    return bool(gap.max() < 12 and both > 0.8 and (rest > 12).mean() > 0.5)


def test_words_for_what_is_missing():
    stopped = coverage(image_of(without(slice(60, None)), unmeasured_nan=0.4))
    assert stopped.measured == pytest.approx(0.6)
    assert stopped.words == "NaN in the file; the bottom 40 % of the rows"
    lost = coverage(image_of(without([7, 50, 51]), unmeasured_constant=0.03))
    assert lost.words == "areas or lines of one value; 3 whole rows" and lost.areas
    blank = coverage(image_of(without(slice(None), frames=4), unmeasured_nan=0.25))
    assert blank.words == "NaN in the file; 1 of 4 frames wholly"
    assert coverage(image_of(without([]))[["image"]]) == Coverage()
    moved = image_of(without(slice(90, None), frames=2))
    moved["frame_shift"] = (("time", "axis"), np.zeros((2, 2)))
    assert coverage(moved).words == "what came in beside aligned frames"
    assert coverage(moved).moved == pytest.approx(0.05)


@pytest.mark.parametrize("missing", ["nan", "constant"])
def test_ingest_states_how_much_is_missing_and_why(tmp_path, missing):
    frame = np.random.default_rng(0).normal(size=(64, 64))
    frame[48:] = np.nan if missing == "nan" else 0
    np.save(tmp_path / "a.npy", frame)
    image = read.load(tmp_path / "a.npy")
    assert image.attrs[f"unmeasured_{missing}"] == pytest.approx(0.25, abs=0.04)
    other = {"nan": "constant", "constant": "nan"}[missing]
    assert image.attrs[f"unmeasured_{other}"] == pytest.approx(0, abs=0.04)
    assert "the bottom 2" in coverage(image).place


def test_means_leave_gaps_out():
    plane = np.arange(36, dtype=float).reshape(6, 6)
    np.testing.assert_allclose(coarse(plane, 2)[0, 0], plane[:2, :2].mean())
    plane[:2, :3] = np.nan
    made = coarse(plane, 2)
    assert np.isnan(made[0, 0]) and made[0, 1] == pytest.approx((3 + 9) / 2)
    assert made.shape == (3, 3) and np.isfinite(made).sum() == 8


def test_the_grey_scale_is_that_of_measured_pixels(scene):
    from matplotlib.figure import Figure

    axes = Figure().add_axes((0, 0, 1, 1))
    micrograph(axes, scene)
    low, high = axes.images[0].get_clim()
    assert -1 < low < high < 3  # the gap was filled in with −1000


@pytest.mark.parametrize("kind", ["sites", "points", "cells", "thumbnail"])
def test_gaps_are_hatched_in_every_backdrop(scene, kind):
    with style.house():
        if kind == "sites":
            drawn = of_dataset.sites(scene)
        elif kind == "thumbnail":
            drawn = of_dataset.thumbnail(scene)
        else:
            drawn = maps(scene, scene.views[0], kind)
        # Invented sites lie in the gap as well: of points, the image alone is looked at.
        axes = drawn.figure.axes[1 if kind == "cells" else 0]
        shown = pixels(drawn.figure, axes)
    if kind == "thumbnail":  # the middle of the image alone
        assert unmeasured.hatched(drawn.figure) and shown[-10:].min() > 100
        return
    assert gap_is_hatched(shown)
    assert drawn.caption.endswith("Hatched: not measured.")
    assert any(text.get_text() == unmeasured.WORDS for text in drawn.figure.texts)


def test_gaps_of_a_movie_are_hatched_frame_by_frame(tmp_path):
    made = fake_results.make(tmp_path, shape=(60, 80), models=("jrvae",), frames=3)
    fake_results.stop(made, 40)
    moving = load(Results(made), ["jrvae"], Look(), "test")
    with style.house():
        clip = class_clip(moving, moving.views[0])
    assert clip is not None and "Hatched: not measured." in clip.caption
    with Image.open(io.BytesIO(clip.data)) as film:
        for number in range(film.n_frames):
            film.seek(number)
            shown = np.asarray(film.convert("RGB")).astype(int)
            high = len(shown)
            left = shown[int(0.75 * high) : int(0.85 * high), 20 : shown.shape[1] // 2 - 20]
            assert left.min() > 100 and left.max() > 200 and np.ptp(left.sum(-1)) > 60


def test_whole_images_are_not_hatched(tmp_path):
    made = fake_results.make(tmp_path, shape=(60, 80), models=())
    whole = load(Results(made), [], Look(), "test")
    with style.house():
        drawn = of_dataset.sites(whole)
    assert not unmeasured.hatched(drawn.figure) and "Hatched" not in drawn.caption
    assert not backdrop(whole, None, np.zeros(0, int)).gaps


def test_the_explorer_hatches_gaps(scene):
    behind = backdrop(scene, None, np.zeros(0, int))
    assert behind.gaps
    data = base64.b64decode(behind.pictures[0].split(",")[1])
    shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    gap, rest = shown[KEPT + 2 :], shown[: KEPT - 2]
    assert gap.min() > 110 and rest.min() < 30 and rest.max() > 220
    assert np.abs(gap[..., 2] - gap[..., 0]).mean() > 5  # bluish, as no grey of an image is


def test_the_share_is_a_fact_and_a_finding(folder):
    known = Results(folder).facts
    assert known.data["measured_share"] == pytest.approx(2 / 3)
    (found,) = [one for one in known.findings if one.kind == "not measured"]
    assert found.severity == "care" and found.says.startswith("33 % of the image was not measured")
    assert "NaN" in found.says and "bottom 33 %" in found.says


def test_severity_follows_the_share(folder):
    sites = Results(folder).sites

    def severity(measured, **attrs):
        found = of_image(image_of(measured, **attrs), sites)
        return found[0].severity if found else ""

    assert severity(without(slice(70, None)), unmeasured_nan=0.3) == "care"
    assert severity(without(slice(90, None)), unmeasured_nan=0.1) == "note"
    dead = without([])
    dead[0, 5, 5:9] = False
    assert severity(dead, unmeasured_nan=4e-4) == ""
    assert severity(without([])) == ""
    remedy = of_image(image_of(without([1]), unmeasured_constant=0.01), sites)[0].remedy
    assert "`ingest: unmeasured: nan`" in remedy


def test_the_rim_of_aligned_frames_is_no_finding_unless_it_is_large(folder):
    sites = Results(folder).sites
    for rows, count in ((slice(95, None), 0), (slice(40, None), 1)):
        moved = image_of(np.repeat(without(rows), 2, axis=0))
        moved["frame_shift"] = (("time", "axis"), np.zeros((2, 2)))
        assert len(of_image(moved, sites)) == count


def test_report_and_methods_say_how_much_was_measured(folder):
    recipe = copy.deepcopy(fake_results.RECIPE)
    recipe["models"] = {"jrvae": recipe["models"]["jrvae"]}
    results = Results(folder)
    text = methods(results.facts, recipe).plain
    assert "Of the pixels, 33 % were not measured (NaN in the file; the bottom 33 %" in text
    write_report(results, recipe, ["jrvae"], {"source": "a.npy"})
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "66.7 % of the image; 33 % not measured" in page
    assert 'class="explorer-gaps"' in page


def test_exported_images_have_nan(tmp_path):
    image = image_of(without(slice(60, None)))
    shown = with_gaps(image)
    assert shown.dims == image["image"].dims and shown.dtype == np.float32
    assert shown.attrs["units"] == "nm"
    ome.write(shown, tmp_path / "a.ome.zarr", name="a")
    group = zarr.open_group(tmp_path / "a.ome.zarr")
    exported = np.asarray(group["0"])
    assert np.isnan(exported[60:]).all() and (exported[:60] == 1).all()
    assert ome._mean(np.array([[1.0, np.nan], [3.0, np.nan]]), (0,)).tolist()[0] == 2
    window = group.attrs["ome"]["omero"]["channels"][0]["window"]
    assert window["min"] == 1 and window["start"] >= 1
    signals.write(shown, tmp_path / "a.hspy", title="a")
    from rsciio.hspy import file_reader

    (read_back,) = file_reader(str(tmp_path / "a.hspy"))
    assert np.isnan(read_back["data"]).mean() == pytest.approx(0.4)
