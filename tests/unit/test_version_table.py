"""What the index keeps of every version is small and whole, whatever lies in the folders."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaescope.figures import versions
from vaescope.report import version_table
from vaescope.results import facts, layout

KNOWN = {
    "layout": facts.LAYOUT,
    "dataset": "one",
    "code_version": "1",
    "packages": {"numpy": "2"},
    "recipe": {"models": {"rvae": {"latent": 2, "beta": [[0, 1.0]]}}, "seed": 0},
    "data": {
        "files": ["a.dm3"],
        "sha256": ["00"],
        "channels": ["HAADF"],
        "calibrated": True,
        "pixel_size": 0.1,
        "pixel_unit": "nm",
    },
    "scores": [
        {"about": "sites", "name": "spacing_px", "words": "spacing", "unit": "px", "value": 12.0}
    ],
    "findings": [],
}


def version(results: Path, dataset: str, name: str, drawn: str, known=KNOWN, latest=False) -> None:
    manifest = {"version": name, "drawn": drawn, "code_version": "1", "figures": []}
    folders = [name, versions.LATEST] if latest else [name]
    for folder in (results / dataset / "figures" / each for each in folders):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / versions.MANIFEST).write_text(json.dumps(manifest))
        if known:
            (folder / layout.FACTS).write_text(json.dumps(known))


def test_the_latest_version_comes_first_and_then_the_newest(tmp_path):
    version(tmp_path, "one", "aaa", "2026-01-03 00:00:00")
    version(tmp_path, "one", "bbb", "2026-01-01 00:00:00", latest=True)
    version(tmp_path, "one", "ccc", "2026-01-02 00:00:00", known=None)
    (dataset,) = version_table.collect(tmp_path, ["one"], 12)["datasets"]
    assert [each["id"] for each in dataset["versions"]] == ["bbb", "aaa", "ccc"]
    assert dataset["versions"][0]["latest"] and not dataset["versions"][1]["latest"]
    assert "recipe" not in dataset["versions"][2]  # drawn before facts were kept


def test_recipes_that_are_alike_are_held_once(tmp_path):
    for name in ("one", "two"):
        version(tmp_path, name, "aaa", "", latest=True)
    version(tmp_path, "two", "bbb", "", known=KNOWN | {"recipe": {"seed": 1}})
    found = version_table.collect(tmp_path, ["one", "two"], 12)
    assert len(found["recipes"]) == 2
    assert found["recipes"][0]["models: rvae: latent"] == "2"
    assert found["datasets"][0]["versions"][0]["numbers"] == [
        ["sites", "spacing", "12\u00a0px (1.2\u00a0nm)", 12.0]
    ]


def test_only_so_many_versions_are_kept_as_there_is_room_for(tmp_path, monkeypatch):
    for k in range(6):
        version(tmp_path, "one", f"v{k}", f"2026-01-0{k + 1}", latest=k == 5)
    text, most = version_table.packed(tmp_path, ["one"])
    assert most == 12 and len(unpacked(text)["datasets"][0]["versions"]) == 6
    monkeypatch.setattr(version_table, "MOST_BYTES", 10)
    text, most = version_table.packed(tmp_path, ["one"])
    assert most == 1
    assert [v["id"] for v in unpacked(text)["datasets"][0]["versions"]] == ["v5"]


def test_facts_of_a_thousand_datasets_stay_small(tmp_path):
    names = [f"set-{k}" for k in range(200)]
    for k, name in enumerate(names):
        numbers = [
            {"about": "sites", "name": f"n{j}", "words": f"n {j}", "value": k + j / 7}
            for j in range(60)
        ]
        known = KNOWN | {"scores": numbers}
        version(tmp_path, name, "aaa", "2026", known, latest=True)
    text, _ = version_table.packed(tmp_path, names)
    assert 5 * len(text) < version_table.MOST_BYTES


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '{"figures": 3}'])
def test_odd_manifests_cost_nothing(tmp_path, content):
    folder = tmp_path / "one" / "figures" / "aaa"
    folder.mkdir(parents=True)
    (folder / versions.MANIFEST).write_text(content)
    version(tmp_path, "two", "aaa", "", latest=True)
    names = [
        d["name"] for d in version_table.collect(tmp_path, ["one", "two", "gone"], 12)["datasets"]
    ]
    assert "two" in names


@pytest.mark.parametrize(
    "content", ['{"layout": 1}', '{"layout": 2}', '{"layout": 2, "data": 3, "recipe": []}']
)
def test_odd_facts_leave_the_figures_to_be_compared(tmp_path, content):
    version(tmp_path, "one", "aaa", "", latest=True)
    (tmp_path / "one/figures/aaa" / layout.FACTS).write_text(content)
    (found,) = version_table.collect(tmp_path, ["one"], 12)["datasets"]
    assert found["versions"][0]["id"] == "aaa" and "numbers" not in found["versions"][0]


def test_where_nothing_was_drawn_there_is_nothing_to_compare(tmp_path):
    assert version_table.packed(tmp_path, ["one"]) == ("", 0)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_settings_lie_flat(settings):
    found = version_table.flat(settings)
    assert all(isinstance(key, str) and isinstance(value, str) for key, value in found.items())


def unpacked(text: str) -> dict:
    return json.loads(gzip.decompress(base64.b64decode(text)))
