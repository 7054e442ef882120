"""Every number that a person reads of a film of known truth is on its axis, in its unit and of its
sign: in tables beside figures, in the explorer, in exported tables and in the report.

Names and units of columns are free to change; what stands under them is not. A column is found by
the words of its name, and its values are held against the truth in the unit that it states.
"""

from __future__ import annotations

import base64
import csv
import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import contract
import fake_results
import known_film
import numpy as np
import pandas as pd
import pytest
from contract import CONTRACT
from known_film import MODELS, PIXEL, RECIPE, ROW, Film
from matplotlib.figure import Figure
from test_explorer import unpacked

from vaescope import figures, quantities, report, store
from vaescope.exchange import points, table
from vaescope.explorer.pack import Blocks
from vaescope.results import Results
from vaescope.workflow.tables import write_table

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""
pytestmark = pytest.mark.slow

# What a number in the unit of the truth (px, rad, shares) is in the unit that a column states.
FACTORS = {"": 1.0, "1": 1.0, "px": 1.0, "%": 100.0, "percent": 100.0, "nats": 1.0, "rad": 1.0}
FACTORS |= {"°": np.degrees(1), "deg": np.degrees(1), "degree": np.degrees(1)}
LENGTHS = {"nm": 1.0, "pm": 1000.0, "µm": 1e-3}
SUFFIXES = ("px", "nm", "pm", "deg", "rad", "percent", "nats")
IDLE = {"of", "from", "the", "mod", "physical", "consensus", "along", "in", "down", "right", ""}
SAME = {"content": "latent", "uncertainty": "spread", "standard": "error", "local": "strain"}


@dataclass
class Column:
    """Numbers under a name, somewhere that a person reads them; ``site`` tells whose they are."""

    where: str
    name: str
    words: frozenset[str]
    unit: str
    site: np.ndarray
    values: np.ndarray


def words(name: str, model: str = "") -> frozenset[str]:
    """The words of a column's name, without its unit and without the model whose column it is."""
    bare = re.sub(r"\([^)]*\)", " ", name)
    if model:
        bare = re.sub(rf"^{model}[_./: ]", "", bare)
    found = [w for w in re.split(r"[\s_./:,+−-]+", bare.lower()) if not re.search(r"°|^\d+\.\d", w)]
    if found and found[-1] in SUFFIXES:
        found.pop()
    return frozenset(SAME.get(w, w) for w in found) - IDLE


def unit_of(name: str) -> str | None:
    """The unit in a column's name: in brackets, or at its end."""
    brackets = re.search(r"\(([^),]*)[^)]*\)", name)
    if brackets and brackets[1] in FACTORS | LENGTHS:
        return brackets[1]
    end = re.split(r"[_ ]", name)[-1]
    return end if end in SUFFIXES else None


def read_csv(path: Path, model: str = "", units: dict[str, str] | None = None) -> Iterator[Column]:
    """Columns of a table over sites; ``units`` of those whose names tell none."""
    read = pd.read_csv(path)
    for name in read.columns if "site" in read.columns else ():
        unit = unit_of(name)
        unit = (units or {}).get(name, "") if unit is None else unit
        site, values = read["site"].to_numpy(), read[name].to_numpy()
        yield Column(path.name, name, words(name, model), unit, site, values)


@dataclass
class Outputs:
    """All that a person can read of the film, by where it stands."""

    film: Film
    columns: dict[str, list[Column]] = field(default_factory=dict)
    page: str = ""

    def found(self, where: str, wanted: set[str]) -> list[Column]:
        return [column for column in self.columns[where] if column.words == wanted]


def stated(path: Path) -> dict[str, str]:
    """Unit of every column of an exported table, as the table of its columns says it."""
    with path.open(encoding="utf-8") as lines:
        return {row["column"]: row["unit"] for row in csv.DictReader(lines)}


def of_store(path: Path) -> dict[str, str]:
    """Unit of every column that ``write_table`` makes of a store."""
    units = {}
    for name, values in store.open(path).variables.items():
        unit = str(values.attrs.get("units", ""))
        units[str(name)] = unit
        if len(values.dims) == 2:
            for label in store.open(path)[values.dims[1]].values:
                units[f"{name}_{label}"] = unit
    return units


def of_explorer(page: str, model: str, site: np.ndarray) -> list[Column]:
    """Columns of the explorer in a report, as the browser shows them."""
    inside = dict(re.findall(r'<script [^>]*id="explorer-([^"]*)">(.*?)</script>', page, re.DOTALL))
    facts, count = json.loads(inside["facts"]), sum("block-" in name for name in inside)
    blocks = Blocks([inside[f"block-{k}"] for k in range(count)])
    own = next(each for each in facts["models"] if each["name"] == model)
    named = [(each, "") for each in facts["columns"]] + [(each, model) for each in own["columns"]]
    return [
        Column(
            "explorer",
            each["header"],
            words(each["header"], of),
            each["unit"],
            site,
            unpacked(blocks, each["place"]) * each["factor"],
        )
        for each, of in named
    ]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory) -> Outputs:
    film = known_film.make(tmp_path_factory.mktemp("known"))
    folder, found = film.folder, Outputs(film)
    with pytest.MonkeyPatch.context() as patch:  # what is tested are the tables beside figures
        patch.setattr(Figure, "savefig", lambda own, path, **more: Path(path).write_bytes(DOT))
        figures.draw(Results(folder), RECIPE, MODELS)
    export = folder / "export"
    export.mkdir()
    columns = table.columns_of(Results(folder), MODELS)
    table.write(columns, export / "sites.csv", export / "columns.csv")
    sites, image = store.open(folder / "sites.zarr").load(), store.open(folder / "image.zarr")
    points.write(sites, image["image"], columns, export / "points.csv")
    write_table(sites, folder / "sites.csv")
    write_table(store.open(folder / "strain.zarr").load(), folder / "strain.csv")
    report.write_report(Results(folder), RECIPE, MODELS, ROW)
    page = (folder / "report.html").read_text(encoding="utf-8")
    units, drawn = stated(export / "columns.csv"), (folder / "figures" / "latest").glob("*.csv")
    drawn = sorted(drawn)
    for model in MODELS:
        others = tuple(f"{name}_" for name in MODELS if name != model)
        of_figures = [
            column
            for path in drawn
            for column in read_csv(path, model if path.name.startswith(f"{model}-") else "")
            if path.name.startswith((f"{model}-", "strain-"))
        ]
        found.columns[f"{model}: figures"] = of_figures
        found.columns[f"{model}: explorer"] = of_explorer(page, model, sites["site"].values)
        for name in ("sites.csv", "points.csv"):
            read = [*read_csv(export / name, model, units)]
            found.columns[f"{model}: {name}"] = [c for c in read if not c.name.startswith(others)]
        known, path = of_store(folder / model / "latents.zarr"), folder / model / "latents.csv"
        found.columns[f"{model}: latents.csv"] = [*read_csv(path, model, known)]
    for name in ("sites", "strain"):
        known = of_store(folder / f"{name}.zarr") if name == "sites" else {}
        found.columns[f"{name}: {name}.csv"] = [*read_csv(folder / f"{name}.csv", "", known)]
    text = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    found.page = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))
    return found


@dataclass(frozen=True)
class Quantity:
    """A quantity of a patch: the words of its name, and its truth (patch,)."""

    name: str
    model: str
    truth: Callable[[Film], np.ndarray]
    spread: Callable[[Film], np.ndarray] | None = None
    period: Callable[[Film], float] | None = None  # in rad

    @property
    def words(self) -> set[str]:
        return set(self.name.split())


@cache
def symmetry(folder: Path, model: str) -> int:
    return int(store.attributes(folder / model / "latents.zarr")["symmetry"])


def part(name: str, k: int | None = None, *, spread_of: str = "") -> Callable[[Film], np.ndarray]:
    """A part of the truth, or the uncertainty that a model has of it."""

    def of(film: Film) -> np.ndarray:
        values = film.spread(spread_of, name) if spread_of else getattr(film, name)
        return np.broadcast_to(values if k is None else values[:, k], len(film.angle))

    return of


def posed(name: str, kind: str, model: str, k: int | None = None, **more) -> Quantity:
    return Quantity(name, model, part(kind, k), part(kind, k, spread_of=model), **more)


def turned(model: str) -> Quantity:
    return posed(
        "angle", "angle", model, period=lambda film: 2 * np.pi / symmetry(film.folder, model)
    )


def latent(model: str, k: int) -> Quantity:
    own = 0.05  # what each member says of its own latents
    wide = lambda film: np.full(len(film.angle), own * film.inflation[model])  # noqa: E731
    return Quantity(f"latent {k + 1}", model, part("content", k), spread=wide)


def of_class(film: Film) -> np.ndarray:
    return np.where(film.label == 1, known_film.SURE, 1 - known_film.SURE)


STRAIN = [posed(f"pose strain {c}", "strain", "whole", k) for k, c in enumerate(("xx", "yy", "xy"))]
OFFSETS = [
    posed(f"offset {axis}", "offset", model, k)
    for model in MODELS
    for k, axis in enumerate(("y", "x"))
]
SHAPES = [posed(name, name, "sheared") for name in ("scale", "shear")]
OTHERS = [latent(model, k) for model in MODELS for k in range(2)]
CLASSES = [
    Quantity("class", "whole", part("label")),
    Quantity("class probability 1", "whole", of_class),
    Quantity(
        "class entropy",
        "whole",
        lambda film: np.full(
            len(film.angle), -sum(p * np.log(p) for p in (known_film.SURE, 1 - known_film.SURE))
        ),
    ),
]
QUANTITIES = [*map(turned, MODELS), *OFFSETS, *STRAIN, *SHAPES, *OTHERS, *CLASSES]
PLACES = ("figures", "explorer", "sites.csv", "points.csv", "latents.csv")
NOT_DRAWN = {("class probability 1", "figures")}
"""Of which there is no map."""


def expected(truth: np.ndarray, unit: str) -> np.ndarray:
    """The truth in the unit that a column states."""
    if unit in LENGTHS:
        return truth * PIXEL * LENGTHS[unit]
    return truth * FACTORS[unit]


def agree(column: Column, film: Film, truth: np.ndarray, period: float | None = None) -> None:
    """Fail where a column does not say what is true of the sites that it has."""
    numbers = film.site
    place = np.searchsorted(numbers, column.site).clip(0, len(numbers) - 1)
    known = numbers[place] == column.site
    assert known.sum() > 50
    wanted = expected(truth[place[known]], column.unit)
    apart = column.values[known].astype(float) - wanted
    if period is not None:
        turn = float(expected(np.array(period), column.unit))
        apart = np.mod(apart + turn / 2, turn) - turn / 2
    scale = np.abs(wanted).max()
    where = f"{column.name} ({column.unit or 'no unit'}) in {column.where}"
    assert np.abs(apart).max() < 0.002 * scale, (
        f"{where} is off by {np.abs(apart).max() / scale:.3g}"
    )


def cases() -> Iterator[tuple[Quantity, str]]:
    for quantity in QUANTITIES:
        for place in PLACES:
            if (quantity.name, place) not in NOT_DRAWN:
                yield quantity, place


@pytest.mark.parametrize(
    ("quantity", "place"), [*cases()], ids=lambda value: getattr(value, "name", value)
)
def test_a_quantity_is_what_the_members_say_on_its_axis_and_in_its_unit(outputs, quantity, place):
    film = outputs.film
    columns = outputs.found(f"{quantity.model}: {place}", quantity.words)
    assert columns, f"no column of {quantity.name} in {place}"
    period = None if quantity.period is None else quantity.period(film)
    for column in columns:
        agree(column, film, quantity.truth(film), period)


@pytest.mark.parametrize("place", [place for place in PLACES if place != "figures"])
@pytest.mark.parametrize("quantity", [q for q in QUANTITIES if q.spread], ids=lambda q: q.name)
def test_an_uncertainty_joins_what_members_differ_by_and_their_own_widened_for_noise(
    outputs, quantity, place
):
    film = outputs.film
    assert film.inflation[quantity.model] > 1.5  # or nothing would be widened
    columns = outputs.found(f"{quantity.model}: {place}", quantity.words | {"spread"})
    assert columns, f"no spread of {quantity.name} in {place}"
    for column in columns:
        agree(column, film, quantity.spread(film))


@pytest.mark.parametrize(
    ("name", "model", "parts"),
    [
        ("angle", "whole", [turned("whole")]),
        ("latent", "whole", [latent("whole", 0), latent("whole", 1)]),
        ("offset", "whole", OFFSETS[:2]),
        ("pose strain", "whole", STRAIN),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_uncertainty_on_a_map_is_that_of_all_parts_together(outputs, name, model, parts):
    film = outputs.film
    columns = outputs.found(f"{model}: figures", {*name.split(), "spread"})
    assert columns
    for column in columns:
        each = [expected(p.spread(film), column.unit) for p in parts]
        together = np.sqrt(np.sum(np.square(each), axis=0))
        agree(column, film, _plain(together, column))


def _plain(values: np.ndarray, column: Column) -> np.ndarray:
    """Values in the unit of a column as if in that of the truth."""
    if column.unit in LENGTHS:
        return values / (PIXEL * LENGTHS[column.unit])
    return values / FACTORS[column.unit]


@pytest.mark.parametrize("place", ["whole: explorer", "whole: sites.csv", "sites: sites.csv"])
@pytest.mark.parametrize("axis", ["y", "x"])
def test_a_site_is_where_its_column_of_atoms_is_in_pixels_and_on_the_specimen(outputs, place, axis):
    folder = outputs.film.folder
    image, sites = store.open(folder / "image.zarr"), store.open(folder / "sites.zarr").load()
    columns = outputs.found(place, {axis})
    assert {column.unit for column in columns} == {"px", "nm"}
    for column in columns:
        rows = np.searchsorted(sites["site"].values, column.site)
        px = sites[f"truth_{axis}"].values[rows]
        assert np.isfinite(px).mean() > 0.9
        apart = column.values - expected(px, column.unit)
        assert np.nanmax(np.abs(apart)) < 0.2 * expected(np.array(1.0), column.unit)
    assert image.sizes["y"] != image.sizes["x"]


@pytest.mark.parametrize(
    "place",
    ["whole: figures", "whole: explorer", "whole: sites.csv", "whole: points.csv",
     "strain: strain.csv"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["neighbours", "gpa"])
@pytest.mark.parametrize("part", ["strain xx", "strain yy", "strain xy", "rotation"])
def test_strain_of_the_lattice_has_the_axis_sign_and_unit_of_the_stretched_part(
    outputs, place, method, part
):
    sites = store.open(outputs.film.folder / "sites.zarr").load()
    columns = outputs.found(place, {method, *part.split()})
    assert columns, f"no {part} by {method} in {place}"
    name = "truth_angle" if part == "rotation" else f"truth_{part.replace(' ', '_')}"
    for column in columns:
        unit = column.unit or ("rad" if part == "rotation" else "1")
        true = sites[name].values[np.searchsorted(sites["site"].values, column.site)]
        wanted = expected(true, unit)
        known = np.isfinite(column.values) & np.isfinite(wanted)
        assert known.sum() > 50
        seen, wanted = column.values[known], wanted[known]
        assert np.corrcoef(seen, wanted)[0, 1] > 0.75
        # At the edge of the stretched part neighbours of both parts are averaged.
        assert 0.7 < np.polyfit(wanted, seen, 1)[0] < 1.3


def test_populations_are_the_shares_of_sites_in_each_frame(outputs):
    film = outputs.film
    frame = store.open(film.folder / "samples.zarr")["frame"].values
    drawn = pd.read_csv(film.folder / "figures" / "latest" / "whole-populations.csv")
    share = next(name for name in drawn if name.startswith("share"))
    factor = FACTORS[unit_of(share) or "1"]
    for number in range(known_film.FRAMES):
        own = drawn[drawn["frame_from_1"] == number + 1][share].to_numpy()
        wanted = np.bincount(film.label[frame == number], minlength=2) / (frame == number).sum()
        np.testing.assert_allclose(np.sort(own), np.sort(wanted * factor), rtol=1e-3)
    written = pd.read_csv(film.folder / "whole" / "movie" / "populations.csv")
    own = written.sort_values(["frame", "class"])["population"].to_numpy().reshape(-1, 2)[:, 1]
    wanted = [film.label[frame == number].mean() for number in range(known_film.FRAMES)]
    np.testing.assert_allclose(own, wanted, rtol=1e-3)


def test_true_strains_with_unlike_zeros_have_unlike_headers(outputs):
    folder = outputs.film.folder
    simulated, mapped = (pd.read_csv(folder / f"{name}.csv") for name in ("sites", "strain"))
    both = {name for name in set(simulated) & set(mapped) if name.startswith("truth_")}
    assert not both
    strain = mapped["truth_strain_from_reference_xx_percent"][mapped["reference"]]
    assert abs(strain.median()) < 1e-6


OF_NO_SITE = {
    "site", "near_edge", "track", "frame", "frame_from_1", "class", "mode", "method", "from", "to",
    "true_angle_deg", "encoded_angle_less_constant_deg", "error_deg", "y_found_minus_true_px",
    "x_found_minus_true_px", "slant_of_rows_percent", "slant_of_columns_percent", "share_percent",
    "share_error_percent", "probability_per_frame", "probability_per_frame_error", "seen_count",
    "mean_stay_frames", "mean_stay_error_frames", "number_of_classes",
    "gap_sd", "found_again_share", "asked_class", "stability", "retained",
    "whole_asked_class_0_probability", "whole_asked_class_1_probability", "member", "step", "epoch",
    "phase", "elbo", "reconstruction", "kl_content", "kl_turns", "kl_offset", "kl_scale",
    "kl_shear", "kl_strain", "kl_class", "found_strain_xx_percent", "found_strain_xx_error_percent",
    "found_strain_yy_percent", "found_strain_yy_error_percent", "found_strain_xy_percent",
    "found_strain_xy_error_percent",
}  # fmt: skip
"""Headers beside figures that are no quantity of a site in a store."""


def test_every_column_beside_a_figure_has_the_header_of_its_quantity(outputs):
    folder, known = outputs.film.folder, set(OF_NO_SITE)
    stores = ["sites.zarr", "samples.zarr", "strain.zarr"]
    stores += [f"{m}/{name}" for m in MODELS for name in ("latents.zarr", "movie/movie.zarr")]
    for name in stores:
        for one in quantities.with_errors(quantities.of(store.open(folder / name).load())):
            known.add(one.column)
            whole = one.key.replace(f"_{one.part}", "") if one.part else one.key
            known.add(quantities.header(whole, one.unit, one.owner))  # all parts together
    headers = {
        name
        for path in (folder / "figures" / "latest").glob("*.csv")
        for name in path.read_text(encoding="utf-8").splitlines()[0].split(",")
    }
    assert len(headers) > 80 and headers <= known, sorted(headers - known)
    assert headers >= OF_NO_SITE, "a header of the list is beside no figure"
    assert not [name for name in headers if not re.fullmatch(r"\w+", name) or "_rad" in name]


def test_the_report_states_uncertainties_in_degrees_and_lengths_in_both_units(outputs):
    film, page = outputs.film, outputs.page
    spread = np.degrees(np.median(film.spread("whole", "angle")))
    assert page.count(f"{spread:.3g}°") >= len(MODELS)
    assert f"{0.05 * film.inflation['whole']:.3g} latent spread" in page
    entropy = -sum(p * np.log(p) for p in (known_film.SURE, 1 - known_film.SURE))
    assert f"{entropy:.3g} nats" in page
    assert f"9 px ({9 * PIXEL:g} nm)" in page
    assert "1 outliers" in page and "sites explained" not in page


@pytest.mark.parametrize(
    ("quantity", "along"),
    [("x offset|offset x", "row"), ("y offset|offset y", "column"), ("angle", "row"),
     ("class", "column"), ("latent 1", "row")],
)  # fmt: skip
def test_the_report_tells_which_maps_follow_scan_lines_and_which_the_place_along_them(
    outputs, quantity, along
):
    """Offsets along x were laid down line by line, offsets along y column by column."""
    found = re.findall(rf"(?:{quantity}) ((?:\d+ % ){{4}})", outputs.page)
    assert len(found) == (1 if quantity == "class" else len(MODELS))
    for shares in found:
        row, _, column, _ = (int(share) for share in shares.replace("%", "").split())
        much, little = (row, column) if along == "row" else (column, row)
        assert much > 80 and little < 20


@pytest.mark.parametrize("name", CONTRACT)
def test_a_store_of_a_real_run_has_the_variables_that_later_stages_need(outputs, name):
    made = store.open(outputs.film.folder / name)
    found = {contract.line(made, str(variable)) for variable in made.variables}
    wanted = contract.lines(CONTRACT[name])
    names = {each.partition(" ")[0] for each in wanted}
    given = sorted(each for each in found if each.partition(" ")[0] in names)
    assert wanted <= found, f"missing: {sorted(wanted - found)}; there is {given}"


@pytest.fixture(scope="module")
def invented_folder(tmp_path_factory) -> Path:
    return fake_results.make(tmp_path_factory.mktemp("invented"), shape=(90, 120))


SIMULATED = {"truth_phase", "truth_species", "near_edge"}
"""What invented results have beside: truth of another crystal, and what stores of older versions
had."""


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("image.zarr", ["image.zarr"]),
        ("sites.zarr", ["sites.zarr"]),
        ("samples.zarr", ["samples.zarr"]),
        ("rvae/latents.zarr", ["sheared/latents.zarr", "whole/latents.zarr"]),
        ("jrvae/latents.zarr", ["whole/latents.zarr"]),
    ],
)
def test_invented_results_have_nothing_that_a_real_run_has_not(
    outputs, invented_folder, name, like
):
    """Tests of figures and pages run on invented results, which must not keep what was renamed."""
    invented = store.open(invented_folder / name)
    real = [store.open(outputs.film.folder / each) for each in like]
    known = {
        str(v): {one[v].dims for one in real if v in one} for one in real for v in one.variables
    }
    for variable in map(str, invented.variables):
        if variable not in SIMULATED:
            assert variable in known, f"no store of a real run has {variable}"
            assert invented[variable].dims in known[variable], variable
            given = invented[variable].attrs.get("units")
            units = {one[variable].attrs.get("units") for one in real if variable in one}
            assert given is None or given in units, variable


@pytest.mark.parametrize("model", MODELS)
def test_every_quantity_that_is_mapped_is_held_against_its_truth(outputs, model):
    """A quantity that a model has and this file has not is one whose axis and unit nobody tests."""
    known = [quantity.words for quantity in QUANTITIES if quantity.model == model]
    latents = store.open(outputs.film.folder / model / "latents.zarr").load()
    mapped = [words(quantity.key) for quantity in quantities.of(latents) if quantity.mapped]
    assert len(mapped) > 5
    assert not [key for key in mapped if key not in known and key != {"mode"}]
