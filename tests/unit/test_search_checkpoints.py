"""Checkpoints of a search are of that search alone, and what is no checkpoint is not believed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from test_measuring import world

from vaescope.explore.explorer import Explorer
from vaescope.explore.job import SearchJob
from vaescope.explore.learner import FILE, STEPS, Learner
from vaescope.explore.settings import ExploreSettings

SETTINGS = ExploreSettings(method="active", start=4, evaluations=6, describe=["place"])


def job(folder: Path, **changed) -> SearchJob:
    """A search whose inputs lie in a folder."""
    results = SimpleNamespace(path=lambda name, model="": folder / "results" / name)
    return SearchJob(
        results,  # type: ignore[arg-type]
        ExploreSettings.of(SETTINGS.as_dict() | changed),
        model="rvae",
        members=folder / "members",
        seed=0,
        checkpoints=folder / "checkpoints",
        say=lambda text: None,
    )


def test_a_changed_recipe_or_input_starts_from_no_old_checkpoint(tmp_path):
    (tmp_path / "members").mkdir()
    own = job(tmp_path).with_own_checkpoints().checkpoints
    (own / "steps.npz").write_bytes(b"of the first search")
    assert job(tmp_path).with_own_checkpoints().checkpoints == own
    other = job(tmp_path, evaluations=8).with_own_checkpoints().checkpoints
    assert not list(other.iterdir())
    assert not own.exists()
    (tmp_path / "members" / "one.safetensors").write_bytes(b"trained again")
    assert job(tmp_path, evaluations=8).with_own_checkpoints().checkpoints != other


def test_a_changed_function_of_the_users_own_starts_anew_in_whatever_encoding(tmp_path):
    file = tmp_path / "own.py"
    target = {"target": {"quantity": "function", "function": f"{file}:top"}}
    found = []
    for text in ("# Höhe\n", "# Größe\n"):
        file.write_text(text, encoding="latin-1")
        found.append(job(tmp_path, **target).with_own_checkpoints().checkpoints.name)
    assert found[0] != found[1]


def tell_all(learner: Learner) -> np.ndarray:
    """Go on to the end with values that depend on the site alone; the sites in order."""
    while learner.count < SETTINGS.evaluations:
        new = learner.ask(1)
        learner.tell(new, np.sin(new / 20.0))
    return learner.points


@pytest.mark.parametrize("fault", ["other arrays", "other sites", "no values", "other explorer"])
def test_files_of_something_else_are_no_checkpoint(fault, tmp_path):
    known = world()
    whole = tell_all(Learner(known, SETTINGS, 0, tmp_path / "whole"))
    folder = tmp_path / "cut"
    learner = Learner(known, SETTINGS, 0, folder)
    learner.tell(learner.first, np.sin(learner.first / 20.0))
    points, values = learner.points, learner.values
    if fault == "other explorer":
        strange = Explorer(known.descriptions)
        strange.tell([7, 8, 9], [1.0, 2.0, 3.0])
        strange.save(folder / FILE)
    else:
        arrays = {
            "other arrays": {"mean": values},
            "other sites": {"points": points[::-1], "values": values},
            "no values": {"points": points, "values": values[:2]},
        }[fault]
        np.savez(folder / STEPS, **arrays)
    np.testing.assert_array_equal(tell_all(Learner(known, SETTINGS, 0, folder)), whole)
