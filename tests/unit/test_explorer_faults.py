"""What is given to an explorer that cannot be explored, and files that hold none."""

from __future__ import annotations

import numpy as np
import pytest

from vaescope import Explorer
from vaescope.errors import UserError


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e30])
def test_the_unit_of_the_values_changes_nothing(scale):
    """Piezoresponses in metres and currents in amperes are small numbers."""
    places = np.random.default_rng(0).random((60, 2))
    values = 3 + np.sin(5 * places[:, 0]) + places[:, 1]
    points = np.arange(0, 60, 4)

    def believed(unit):
        explorer = Explorer(places, transform="none")
        explorer.tell(points, values[points] * unit)
        return np.stack(explorer.predict()) / unit

    np.testing.assert_allclose(believed(scale), believed(1.0), rtol=1e-3)


def test_saving_does_not_replace_a_folder(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(UserError, match="one file"):
        Explorer(np.eye(3)).save(tmp_path)
    assert (tmp_path / "kept.txt").read_text() == "mine"
    Explorer(np.eye(3)).save(tmp_path / "new" / "folder" / "a.safetensors")
    assert len(Explorer.load(tmp_path / "new" / "folder" / "a.safetensors").weights) == 3


@pytest.mark.parametrize(
    "facts", [None, "[1]", '{"kind": "explorer"}', '{"kind": "explorer", "names": ["a"]}', "{"]
)
def test_a_file_of_something_else_is_no_explorer(facts, tmp_path):
    from safetensors.numpy import save_file

    file = tmp_path / "other.safetensors"
    save_file({"a": np.zeros(2)}, file, metadata=None if facts is None else {"facts": facts})
    with pytest.raises(UserError, match="no explorer can be read"):
        Explorer.load(file)
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(UserError, match="no explorer can be read"):
        Explorer.load(file)


@pytest.mark.parametrize(
    ("indices", "values"),
    [([np.nan], [1]), (["a"], [1]), ([1], ["x"]), ([np.inf], [1]), ([1.5], [1]), ([1e30], [1])],
)
@pytest.mark.filterwarnings("error")
def test_what_is_no_candidate_or_no_number_is_refused(indices, values):
    with pytest.raises(UserError):
        Explorer(np.eye(3)).tell(indices, values)


@pytest.mark.parametrize(
    "given", [{"kappa": np.nan}, {"start": -1}, {"seed": -1}, {"cost": np.inf}]
)
def test_settings_that_cannot_be_are_refused(given):
    with pytest.raises(UserError, match=next(iter(given))):
        Explorer(np.eye(3), **given)


@pytest.mark.parametrize("candidates", [[["a", "b"]], [[1, 2], [3]], {"a": None}])
def test_candidates_that_are_no_numbers_are_refused(candidates):
    with pytest.raises(UserError):
        Explorer(candidates)
