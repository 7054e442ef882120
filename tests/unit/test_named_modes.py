"""What a report says of the kinds of site: counted, named, with what is in doubt."""

import numpy as np
import pytest
import xarray as xr

from vaescope.structure import named_modes


def latents_of(counts, stability, parent=None, intensity=None):
    number = len(counts)
    parent = np.arange(number) if parent is None else np.array(parent)
    intensity = np.full(number, np.nan) if intensity is None else np.array(intensity)
    return xr.Dataset(
        {
            "mode": ("site", np.repeat(np.arange(number), counts)),
            "mode_parent": ("mode_number", parent),
            "mode_stability": ("mode_number", np.array(stability)),
            "mode_intensity": ("mode_number", intensity),
        }
    )


def test_kinds_are_counted_and_those_in_doubt_named():
    found = named_modes.of(latents_of([90, 8, 2], [0.95, 0.9, 0.2], [0, 0, 2], [1, 2.04, 1]))
    assert [kind.count for kind in found] == [90, 8, 2]
    assert [kind.by_intensity for kind in found] == [True, True, False]
    assert [kind.sure for kind in found] == [True, True, False]
    said = named_modes.sentence(found).replace("\N{NO-BREAK SPACE}", " ")
    assert said.startswith(
        "There are two kinds of site: mode 1 with 90 (90.0 %) and mode 2 with 8 (8.0 %)."
    )
    assert "One more mode (2 sites) is in doubt" in said


@pytest.mark.parametrize("stability", [1.0, 0.1])
def test_one_kind_is_one_sentence(stability):
    said = named_modes.sentence(named_modes.of(latents_of([50], [stability])))
    assert said.startswith("There is one kind of site: mode 1 with 50 (100.0\N{NO-BREAK SPACE}%).")


def test_without_modes_nothing_is_said():
    assert named_modes.of(xr.Dataset()) == [] and named_modes.sentence([]) == ""
