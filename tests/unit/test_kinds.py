"""A new kind of site, with a column of its own, reaches all that comes after by itself."""

from dataclasses import dataclass
from typing import ClassVar

import dask
import numpy as np
import pandas as pd
import pytest
from test_sites_detect import as_image

from vaescope import columns, ensemble, quantities, samples, simulate, sites, store, train
from vaescope.exchange import table
from vaescope.figures import scene as drawing
from vaescope.figures.settings import Look
from vaescope.quantities import attributes
from vaescope.report import prose
from vaescope.results import Results
from vaescope.settings import Settings, setting
from vaescope.sites.kinds import KINDS, Kind, kind_of
from vaescope.sites.table import tabulate
from vaescope.traits import ATOMS, FRAMES, WINDOWS, Traits, traits_of
from vaescope.workflow.tables import write_table

SIDE = 160  # px


@dataclass(frozen=True)
class Walls(Settings):
    """Settings of walls: places along a circle."""

    PART: ClassVar[str] = "sites"

    method: str = setting("walls", help="places along a wall")
    reach: float = setting(50.0, limits=(10, 70), unit="px", help="radius of the wall")


def along_a_circle(image, settings, means):
    turn = np.linspace(-np.pi, np.pi, 60, endpoint=False)
    middle = SIDE / 2
    about = attributes("curvature of the wall", "1/px", "diverging", error="curvature_error")
    return tabulate(
        image,
        {
            "frame": (np.zeros(60, int), attributes("frame", "1")),
            "y": (middle + settings.reach * np.sin(turn), attributes("row", "px")),
            "x": (middle + settings.reach * np.cos(turn), attributes("column", "px")),
            "curvature": (np.sin(turn) / settings.reach, about),
            "curvature_error": (np.full(60, 1e-3), attributes("standard error", "1/px")),
        },
        {"spacing": 6.0},
    )


WALLS = Kind(
    find=along_a_circle,
    settings=Walls,
    traits=Traits(directed=True),
    plan=lambda settings: f"Walls are followed over {settings.reach:g} px.",
    methods=lambda settings, numbers: f"{numbers.sites} places lie along walls.",
)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Results:
    """The results of a tiny run with the invented kind."""
    folder = tmp_path_factory.mktemp("run") / "walls"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, "walls", WALLS)
        image = as_image(np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32))
        found = sites.find(image, {"method": "walls", "reach": 60.0})
    cut = samples.extract(image, found)
    settings = {"variant": "vae", "steps": 4, "batch": 16, "hidden": 8}
    members = folder / "vae" / "members"
    train.fit(
        cut,
        settings,
        members=[0, 1],
        seed=0,
        out=members,
        checkpoints=folder / "checkpoints",
        log=lambda text: None,
    )
    latents = ensemble.map_latents(members, cut, name="vae")
    stores = {"image": image, "sites": found, "samples": cut, "vae/latents": latents}
    for name, made in stores.items():
        store.write(made, folder / f"{name}.zarr")
    write_table(latents, folder / "vae" / "latents.csv")
    return Results(folder)


def test_a_new_column_reaches_patches_latents_and_tables(results: Results):
    found, cut, latents = results.sites, results.patches, results.latents("vae")
    assert 0 < cut.sizes["site"] <= found.sizes["site"]
    expected = found["curvature"].sel(site=cut["site"])
    for made in (cut, latents):
        np.testing.assert_array_equal(made["curvature"], expected)
        assert made["curvature"].attrs == found["curvature"].attrs
    tables = {
        "latents": pd.read_csv(results.folder / "vae" / "latents.csv", index_col="site"),
        "export": table.as_frame(table.columns_of(results, ["vae"])).set_index("site"),
    }
    for made in tables.values():
        (name,) = [n for n in made if n.startswith("curvature") and "error" not in n]
        np.testing.assert_allclose(made[name], found["curvature"].sel(site=made.index), rtol=1e-6)


def test_a_new_column_is_a_quantity_of_the_maps(results: Results):
    by_name = {each.name: each for each in quantities.of(results.latents("vae"))}
    curvature = by_name["curvature"]
    assert (curvature.unit, curvature.scale, curvature.group) == (
        "1/px",
        "diverging",
        quantities.SITE,
    )
    assert curvature.declared and curvature.error is not None


def test_traits_come_along_and_answer_what_was_asked_of_the_method(results: Results):
    for made in (results.sites, results.patches, results.latents("vae")):
        assert traits_of(made.attrs) == Traits(directed=True)
    scene = drawing.load(results, ["vae"], Look(), "0")
    assert not scene.stack and scene.traits.directed
    assert "strongest" not in results.latents("vae").attrs["angle_zero"]


def test_a_recipe_knows_the_settings_and_words_of_a_new_kind(monkeypatch):
    monkeypatch.setitem(KINDS, "walls", WALLS)
    kind, own = kind_of({"method": "walls", "reach": 12, "threshold": None})
    assert kind is WALLS and own == Walls(reach=12.0)
    told = dict(prose.recipe({"sites": {"method": "walls"}}))
    assert told["Sites"] == "Walls are followed over 50 px."


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"method": "maxima"}, ATOMS),
        ({}, ATOMS),
        ({"method": "windows", "regular": True}, Traits(lattice=True, regular=True, windows=True)),
        ({"method": "windows"}, WINDOWS),
        ({"method": "frames"}, FRAMES),
    ],
)
def test_stores_from_before_traits_say_them_by_their_method(attributes, expected):
    assert traits_of(attributes) == expected


def test_a_table_that_has_the_edge_already_keeps_it():
    image = as_image(np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32))
    found = sites.find(image, {"method": "windows", "window": 40})
    old = found.assign(near_edge=("site", np.ones(found.sizes["site"], bool)))
    assert columns.with_edge(old, found).near_edge.all()


def test_sites_and_patches_are_found_by_the_scheduler_of_the_job():
    """As on a cluster, of which Dask is told once for all."""
    image = simulate.make("square?size=160", 0).chunk({"y": 50, "x": 50})
    seen = []

    def scheduler(graph, keys, **more):
        seen.append(keys)
        return dask.get(graph, keys, **more)

    found = sites.find(image, threads=3)
    cut = samples.extract(image, found, threads=3)
    with dask.config.set(scheduler=scheduler):
        again = sites.find(image, threads=2)
        searched = len(seen)
        assert searched
        same = samples.extract(image, again, threads=2)
    assert len(seen) > searched
    assert again.identical(found) and same.identical(cut)


def test_patches_do_not_depend_on_threads():
    image = as_image(np.random.default_rng(1).normal(size=(SIDE, SIDE)).astype(np.float32))
    found = sites.find(image, {"method": "windows", "window": 20})
    one, three = (samples.extract(image, found, threads=threads) for threads in (1, 3))
    assert one.identical(three)
