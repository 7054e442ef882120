"""Which turns of a site count in training."""

import pytest
import torch
from pictures import turned_commas

from vaescope import train
from vaescope.models.settings import ModelSettings
from vaescope.train.device_data import DeviceData
from vaescope.train.fitting import Fitting
from vaescope.train.schedule import TrainingSchedule
from vaescope.train.top_turns import TopTurns

CPU = torch.device("cpu")


def fitting(count=60, **changes):
    patches, _ = turned_commas(count, 12)
    settings = ModelSettings.from_recipe(
        {"variant": "rvae", "steps": 60, "batch": 15, "hidden": 24, "turns": 8, **changes}
    )
    data = train.training_data(patches, settings, 0)
    return Fitting(data, settings, members=[0, 1], seed=0, device=CPU, key="")


def test_at_first_every_site_is_looked_at_then_those_whose_look_is_longest_ago():
    made = fitting()
    top_turns = made.top_turns
    chosen = torch.stack([torch.arange(15), torch.arange(20, 35)])
    found = top_turns.of_batch(made.model, chosen, 30)
    every = made.model.likeliest(
        made.shown.copies(chosen), made.shown.conditions[chosen], made.settings.top_turns
    )
    assert torch.equal(found, every)
    assert (top_turns.step == 30).all()
    top_turns.step[:, :3], top_turns.step[:, 3:40] = 31, 29  # the first three were seen since
    with torch.no_grad():  # a model that holds other turns likely
        for weight in made.model.encoder.parameters():
            weight.mul_(-1.5)
    again = top_turns.of_batch(made.model, chosen, 32)
    assert ((top_turns.step == 32).sum(1) == 5).all()  # a third of fifteen
    assert not (top_turns.step[0, :3] == 32).any()
    old = top_turns.step.gather(1, chosen) < 32
    assert torch.equal(again[old], found[old])
    assert not torch.equal(again[~old], found[~old])


@pytest.mark.parametrize(
    "changes",
    [
        {"batch": 2, "steps": 10},  # each site is seen too seldom
        {"top_turns": 8},  # all turns count
        {"turns": 1},
        {"prototypes": 3},  # turns are told
    ],
)
def test_where_nothing_is_saved_nothing_is_remembered(changes):
    assert fitting(**changes).top_turns is None


def test_very_many_patches_are_looked_at_in_every_step(monkeypatch):
    monkeypatch.setattr("vaescope.train.device_data.CACHE_BYTES", 1000)
    made = fitting()
    assert made.shown.cached is None and made.top_turns is None
    chosen = torch.arange(6).reshape(2, 3)
    some = made.shown.copies(chosen)
    monkeypatch.undo()
    whole = fitting()
    assert torch.equal(some, whole.shown.cached[chosen])
    assert isinstance(TopTurns.of(whole.shown, TrainingSchedule(whole.settings), 2), TopTurns)
    assert isinstance(whole.shown, DeviceData)
