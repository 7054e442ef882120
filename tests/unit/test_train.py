"""Fitting: known truth recovered, the same weights for any number of cores and after a kill."""

import csv
import os
import signal
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import COMMA, DUMBBELL, as_patches, spots, turn, turned_commas
from safetensors.torch import load_file

from vaescope import train
from vaescope.circular import wrap
from vaescope.ensemble import map_latents
from vaescope.errors import UserError
from vaescope.scores.truth import matched_accuracy
from vaescope.train import adam
from vaescope.train.adam import Adam
from vaescope.train.fitting import Fitting
from vaescope.train.replay import Replay

SMALL = {"variant": "rvae", "steps": 60, "batch": 16, "hidden": 24, "turns": 8}


def fit(patches, folder, members=(0,), settings=SMALL, threads=1, log=lambda text: None):
    train.fit(
        patches,
        settings,
        members=list(members),
        seed=3,
        out=folder / "members",
        checkpoints=folder / "checkpoints",
        threads=threads,
        log=log,
    )
    return {f.stem: load_file(f) for f in sorted((folder / "members").glob("*.safetensors"))}


def same(one, other):
    return one.keys() == other.keys() and all(
        torch.equal(one[m][name], other[m][name]) for m in one for name in one[m]
    )


def test_the_angle_holds_over_the_full_circle(tmp_path):
    patches, angle = turned_commas()
    settings = {"variant": "rvae", "steps": 300, "batch": 48, "hidden": 64, "turns": 12}
    fit(patches, tmp_path, members=(0, 1), settings=settings)
    latents = map_latents(tmp_path / "members", patches)
    error = wrap(latents["consensus_angle"].values - angle, 2 * np.pi)
    error = np.degrees(np.abs(wrap(error - np.angle(np.exp(1j * error).mean()), 2 * np.pi)))
    # A Gaussian posterior started at 0 leaves those beyond 90 degrees, half of the sites, wrong.
    assert np.median(error) < 3
    assert (error < 10).mean() > 0.97
    assert latents.attrs["symmetry"] == 1


def test_classes_are_found_whatever_their_angle(tmp_path):
    random = np.random.default_rng(1)
    kind = random.integers(0, 2, 240)
    angle = random.uniform(-np.pi, np.pi, 240)
    pictures = np.stack(
        [spots(turn((COMMA, DUMBBELL)[k], a), 18) for k, a in zip(kind, angle, strict=True)]
    )
    patches = as_patches(pictures + 0.05 * random.standard_normal(pictures.shape))
    settings = {
        "variant": "jrvae",
        "classes": 2,
        "steps": 360,
        "batch": 48,
        "hidden": 64,
        "turns": 12,
    }
    fit(patches, tmp_path, members=(0, 1), settings=settings)
    latents = map_latents(tmp_path / "members", patches)
    assert matched_accuracy(latents["consensus_class"].values, kind) > 0.97


on_a_processor = pytest.mark.skipif(
    torch.cuda.is_available(), reason="a GPU trains in one process, and its sums have no order"
)


@on_a_processor
def test_the_result_does_not_depend_on_threads_or_on_the_other_members(tmp_path):
    patches, _ = turned_commas(60, 12)
    one = fit(patches, tmp_path / "one", members=(0, 1, 2), threads=1)
    two = fit(patches, tmp_path / "two", members=(0, 1, 2), threads=2)
    alone = fit(patches, tmp_path / "alone", members=(2,))
    assert same(one, two)
    assert same({"member-2": one["member-2"]}, alone)
    assert not torch.equal(
        one["member-0"]["encoder.network.first.weight"],
        one["member-1"]["encoder.network.first.weight"],
    )


def test_members_trained_in_one_batch_agree_with_members_trained_alone():
    # What a GPU does: all members in one batched product; equal but for the order of sums.
    patches, _ = turned_commas(40, 12)
    data = training_data(patches)
    chosen = train_settings(steps=12)
    how = {"seed": 3, "device": torch.device("cpu"), "key": ""}
    together = Fitting(data, chosen, members=[0, 1], **how)
    together.run(None, print)
    alone = Fitting(data, chosen, members=[1], **how)
    alone.run(None, print)
    for name, value in together.member_state(1).items():
        assert (value - alone.member_state(0)[name]).abs().mean() < 1e-3, name
    bounds = [
        [row["elbo"] for row in fitting.history.rows if row["member"] == 1]
        for fitting in (together, alone)
    ]
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-3)


@pytest.mark.parametrize(
    "more",
    [{}, {"variant": "jrvae", "classes": 2, "smoothness_class": 0.1, "beta": [[0, 1], [1, 2]]}],
)
def test_steps_whose_numbers_come_as_tensors_are_the_same_steps(more):
    # What a GPU does: a step is recorded, and replayed with other numbers in the same places.
    patches, _ = turned_commas(60, 12)
    data, chosen = training_data(patches), train_settings(steps=20, **more)
    how = {"members": [0, 1], "seed": 3, "device": torch.device("cpu"), "key": ""}
    plain, replayed = (Fitting(data, chosen, **how) for _ in range(2))
    recorded = []

    def record(step):
        recorded.append(step)
        return step

    replayed.replay = Replay(torch.device("cpu"), record)
    plain.run(None, print)
    replayed.run(None, print)
    assert len(recorded) >= (3 if chosen.classes else 2)
    for name, value in replayed.member_state(1).items():
        assert (value - plain.member_state(1)[name]).abs().mean() < 1e-3, name
    for one, other in zip(plain.history.rows, replayed.history.rows, strict=True):
        assert one["elbo"] == pytest.approx(other["elbo"], rel=1e-4)


def training_data(patches):
    return train.training_data(patches, train_settings(), 3)


def train_settings(**changes):
    from vaescope.models.settings import ModelSettings

    return ModelSettings.from_recipe({**SMALL, **changes})


@on_a_processor
@pytest.mark.parametrize(
    "settings",
    [
        {**SMALL, "steps": 240},
        {**SMALL, "variant": "jrvae", "classes": 2, "steps": 240},
        {**SMALL, "variant": "jrvae", "classes": 2, "steps": 240, "prototypes": 3},
    ],
)
def test_a_killed_training_ends_with_the_same_weights(tmp_path, monkeypatch, settings):
    patches, _ = turned_commas(60, 12)
    whole = fit(patches, tmp_path / "whole", settings=settings)
    steps = Fitting.one_step

    def die(self):
        if self.step == 217:
            raise KeyboardInterrupt
        steps(self)

    monkeypatch.setattr(Fitting, "one_step", die)
    with pytest.raises(KeyboardInterrupt):
        fit(patches, tmp_path / "cut", settings=settings)
    monkeypatch.undo()
    said = []
    resumed = fit(patches, tmp_path / "cut", settings=settings, log=said.append)
    assert any("going on from step 200" in text for text in said)
    assert same(whole, resumed)
    assert rows(tmp_path / "whole") == rows(tmp_path / "cut")
    assert not (tmp_path / "cut" / "checkpoints").exists()


def rows(folder):
    with (folder / "members" / "history.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_a_checkpoint_of_other_data_or_a_broken_one_is_ignored(tmp_path, monkeypatch):
    patches, _ = turned_commas(60, 12)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "members-0.safetensors").write_bytes(b"\x08garbage")
    assert fit(patches, tmp_path)
    data = training_data(patches)
    how = {"members": [0], "seed": 3, "device": torch.device("cpu")}
    fitting = Fitting(data, train_settings(), key="these data", **how)
    fitting.save(tmp_path / "a.safetensors")
    assert Fitting(data, train_settings(), key="these data", **how).resume(
        tmp_path / "a.safetensors"
    )
    assert not Fitting(data, train_settings(), key="others", **how).resume(
        tmp_path / "a.safetensors"
    )


def test_training_improves_the_bound_and_says_how(tmp_path):
    patches, _ = turned_commas(80, 12)
    fit(patches, tmp_path, settings={**SMALL, "steps": 200, "decoder": "coordinate"})
    history = rows(tmp_path)
    assert float(history[-1]["elbo"]) > float(history[0]["elbo"]) + 10
    for row in history:
        terms = [float(row[f"kl_{k}"]) for k in ("content", "turns", "offset")]
        assert float(row["elbo"]) == pytest.approx(
            float(row["reconstruction"]) - sum(terms), abs=0.01
        )


def test_too_few_sites_are_refused_in_words(tmp_path):
    patches, _ = turned_commas(9, 12)
    with pytest.raises(UserError, match="too few sites"):
        fit(patches, tmp_path)


def test_too_few_sites_for_the_classes_are_refused_in_words(tmp_path):
    patches, _ = turned_commas(20, 12)
    with pytest.raises(UserError, match="too few sites for this number of classes"):
        fit(patches, tmp_path, settings={**SMALL, "variant": "jrvae", "classes": 8})


def test_parts_are_combined_and_clashes_refused(tmp_path):
    patches, _ = turned_commas(40, 12)
    for part, members in enumerate([(0, 1), (2,)]):
        fit(patches, tmp_path / str(part), members=members, settings={**SMALL, "steps": 20})
    parts = [tmp_path / "0" / "members", tmp_path / "1" / "members"]
    train.combine(parts, tmp_path / "all", tmp_path / "history.csv")
    assert sorted(f.name for f in (tmp_path / "all").iterdir()) == [
        f"member-{k}.safetensors" for k in range(3)
    ]
    with (tmp_path / "history.csv").open() as file:
        assert {row["member"] for row in csv.DictReader(file)} == {"0", "1", "2"}
    with pytest.raises(UserError, match="trained twice"):
        train.combine([parts[0], parts[0]], tmp_path / "again", tmp_path / "h.csv")


@on_a_processor
def test_members_in_processes_of_their_own_know_the_users_own_term(tmp_path):
    patches, _ = turned_commas(40, 12)
    weight = 0.3

    def flat(pictures, latents):  # known to this function alone: a process is handed it whole
        return -weight * pictures.flatten(1).var(1)

    found = []
    for threads in (1, 2):
        folder = tmp_path / str(threads)
        train.fit(
            patches,
            SMALL | {"steps": 20},
            members=[0, 1],
            seed=3,
            out=folder / "members",
            checkpoints=folder / "checkpoints",
            threads=threads,
            physics_loss=flat,
            log=lambda text: None,
        )
        files = sorted((folder / "members").glob("*.safetensors"))
        found.append({f.stem: load_file(f) for f in files})
    assert same(*found)


@on_a_processor
def test_a_process_that_the_system_ends_is_told_in_words(tmp_path):
    patches, _ = turned_commas(40, 12)
    parent = os.getpid()

    def deadly(pictures, latents):
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0 * pictures.flatten(1).sum(1)

    with pytest.raises(UserError, match="ended by the system") as caught:
        train.fit(
            patches,
            SMALL | {"steps": 120},
            members=[0, 1],
            seed=3,
            out=tmp_path / "members",
            checkpoints=tmp_path / "checkpoints",
            threads=2,
            physics_loss=deadly,
            log=lambda text: None,
        )
    assert "kept" in str(caught.value)
    assert list((tmp_path / "checkpoints").glob("*.safetensors"))  # of the one that went on


@on_a_processor
def test_a_function_of_ones_own_that_ends_the_program_is_named_with_its_line(tmp_path):
    patches, _ = turned_commas(40, 12)
    own = tmp_path / "own.py"
    own.write_text("import sys\n\ndef loss(pictures, latents):\n    sys.exit('enough')\n")
    said: list[str] = []
    with pytest.raises(UserError, match=r"own\.py:4.*`physics_loss` fails \(SystemExit: enough\)"):
        train.fit(
            patches,
            SMALL | {"steps": 5, "physics_loss": f"{own}:loss"},
            members=[0, 1],
            seed=3,
            out=tmp_path / "members",
            checkpoints=tmp_path / "checkpoints",
            threads=2,
            log=said.append,
        )
    assert any(f"your own program: {own}" in line for line in said)


def test_the_pinned_torch_is_the_one_that_adam_was_written_for():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert f"torch=={adam.TORCH}" in project["project"]["dependencies"]


def test_adam_makes_the_steps_of_torch_to_the_last_bit():
    def walked(make):
        random = torch.Generator().manual_seed(3)
        weights = [
            torch.nn.Parameter(torch.randn(shape, generator=random))
            for shape in ((3, 20, 30), (3, 7), (2, 2))
        ]
        optimiser = make([{"params": weights[:2]}, {"params": weights[2:]}])
        for step in range(60):
            for pace, group in enumerate(optimiser.param_groups, 1):
                group["lr"] = pace * 0.01 * (1 - step / 100)
            optimiser.zero_grad()
            for weight in weights[: 3 if step % 3 else 2]:  # the last has no gradient at times
                pull = torch.randn(weight.shape, generator=random)
                (weight * pull).square().sum().sqrt().backward()
            optimiser.step()
        return weights, [optimiser.state[weight] for weight in weights]

    ours, our_states = walked(lambda groups: Adam(groups, betas=(0.9, 0.99)))
    theirs, their_states = walked(
        lambda groups: torch.optim.Adam(groups, betas=(0.9, 0.99), fused=True)
    )
    assert all(map(torch.equal, ours, theirs))
    for one, other in zip(our_states, their_states, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
