"""Fitting the members of an ensemble that share one architecture.

On a CPU each member is fitted by itself on one thread (see ``groups``), so that the result does
not depend on the number of cores. On a GPU all members go through every step together in batched
products of matrices.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from vaescope.models import elbo
from vaescope.models.family import Family, PhysicsLoss
from vaescope.models.pose_parts import ANGLE
from vaescope.models.settings import ModelSettings
from vaescope.models.shift_grid import ShiftGrid
from vaescope.models.side import Side
from vaescope.train import checkpoint, own_term, starting
from vaescope.train.adam import Adam
from vaescope.train.classes import Teaching
from vaescope.train.data import Data
from vaescope.train.device_data import DeviceData
from vaescope.train.history import History
from vaescope.train.memory import Memory
from vaescope.train.replay import Replay
from vaescope.train.schedule import Moment, TrainingSchedule
from vaescope.train.start_aligned import StartAligned
from vaescope.train.start_contents import StartContents
from vaescope.train.start_poses import StartPoses
from vaescope.train.start_shifts import StartShifts
from vaescope.train.top_turns import TopTurns

RECORD_EVERY = 20  # steps averaged in one row of the history
SAVE_EVERY = 100  # steps between checkpoints: a few seconds of work at risk
PACED = (
    "log_sigma",
    "photometry.log_sd",
    "photometry.log_sd",
    "shear_axis",
    "turn_prior",
    "decoder.law",
    *(f"mixture.{name}" for name in ("logit", "mean", "log_sd", "slant")),
)
PACE = (
    5.0  # Adam moves every number by about the learning rate: too slow for these few on log scales
)
COMPONENTS = ("decoder.network.last.weight", "decoder.network.last.bias")
"""The spectra of a linear decoder: numbers of about 1, each of its own, as slow to move."""

Log = Callable[[str], None]


def member_seed(seed: int, member: int, purpose: str = "train") -> int:
    """A seed of its own for every member and purpose (63 bits)."""
    text = f"{seed}/{member}/{purpose}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


def optimiser_of(model: Family) -> tuple[Adam, list[str]]:
    """Adam over a model's parameters, and their names in the optimiser's order."""
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    paced = PACED + (COMPONENTS if model.settings.decoder == "linear" else ())
    scalars = [name for name in named if name in paced]
    weights = [name for name in named if name not in paced]
    groups = [
        {"params": [named[name] for name in weights], "pace": 1.0},
        {"params": [named[name] for name in scalars], "pace": PACE},
    ]
    return Adam(groups, betas=(0.9, 0.99)), weights + scalars


class State(Protocol):
    """What a training remembers between its steps, beside weights and random numbers."""

    def tensors(self) -> dict[str, Tensor]:
        """For a checkpoint, by names that no other state has."""

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put the tensors of a checkpoint back."""


class Fitting:
    """One training of some members, from its first step or from a checkpoint."""

    def __init__(
        self,
        data: Data,
        settings: ModelSettings,
        *,
        members: list[int],
        seed: int,
        device: torch.device,
        key: str,
        physics: PhysicsLoss | None = None,
        shown: DeviceData | None = None,
    ) -> None:
        self.settings, self.members, self.seed, self.device = settings, members, seed, device
        grid = ShiftGrid.of(settings, data.cell)
        self.schedule = TrainingSchedule(settings, 1 if grid is None else len(grid.nodes))
        self.key, self.codec = key, data.codec
        self.shown = shown or DeviceData.of(data, settings, device)
        self.generators = [
            torch.Generator().manual_seed(member_seed(seed, member)) for member in members
        ]
        self.model = Family(
            len(members),
            tuple(data.patches.shape[1:]),
            settings,
            tuple(data.target.shape[1:]),
            data.conditions.shape[1],
            0 if data.spectra is None else data.spectra.shape[1],
            data.cell,
        ).to(device)
        self.model.initialise(
            self.generators,
            torch.from_numpy(data.target),
            torch.from_numpy(data.patches),
            None if data.spectra is None else torch.from_numpy(data.spectra),
            None if data.axis is None else torch.from_numpy(data.axis),
            None if data.zero is None else torch.from_numpy(data.zero),
        )
        self.model.physics = physics
        self.optimiser, self.names = optimiser_of(self.model)
        self.step = 0
        columns = elbo.columns(self.model.parts, settings.most_classes, physics is not None)
        self.history = History(columns, members, device)
        seeds = [seed % 2**32 for seed in self._seeds("classes")]  # as scikit-learn takes them
        self.teaching = Teaching(self.model, self.shown.labels, seeds)
        self.start = StartPoses(self.model, self._seeds("prototypes"))
        self.shifts = StartShifts.of(data, settings, device)
        self.start_contents = StartContents.of(data, settings, self._seeds("contents"), device)
        self.aligned = StartAligned.of(self.model, self.shown, self.schedule.pruned_from)
        self.memory = Memory.of(data, settings, len(members), device)
        self.top_turns = TopTurns.of(self.shown, self.schedule, len(members))
        optional: list[State | None] = [self.memory, self.top_turns, self.aligned]
        self.states: list[State] = [self.history, self.teaching, self.start]
        self.states += [state for state in optional if state is not None]
        # Of a user's own function nobody knows whether it can be recorded.
        self.replay = Replay(device) if device.type == "cuda" and physics is None else None

    def _seeds(self, purpose: str) -> list[int]:
        """A seed for each member and a purpose."""
        return [member_seed(self.seed, member, purpose) for member in self.members]

    def run(
        self, save_to: Path | None, log: Log, report: Callable[[], None] = lambda: None
    ) -> None:
        """Train to the end, leaving checkpoints on the way; ``report`` is called after a step."""
        started = time.perf_counter()
        spent = self.history.seconds
        if self.settings.prototypes and self.start.values is None:
            log(f"members {self.members}: laying patches onto prototypes")
            self.start.find(self.shown.patches)
        while self.step < self.settings.steps:
            if self.step == self.schedule.activation_step:
                log(f"members {self.members}: the pose is found, the classes become active")
                self.teaching.activate(*self.contents(), self.start.structure)
            elif self.step in self.schedule.recentring:
                self.teaching.recentre(self.contents()[0])
            self.one_step()
            self.step += 1
            if self.step % RECORD_EVERY == 0 or self.step == self.settings.steps:
                self.record(spent + time.perf_counter() - started)
            report()
            if save_to is not None and self.step % SAVE_EVERY == 0:
                self.save(save_to)
        bounds = ", ".join(format(row["elbo"], ".1f") for row in self.history.last)
        log(f"members {self.members}: ELBO {bounds}")

    def one_step(self) -> None:
        """One step of Adam on a batch of its own for every member."""
        moment = self.schedule.moment(self.step, len(self.shown))
        every = len(self.model.turns)
        turns = every if moment.keep is None else min(moment.keep, every)
        shape = (moment.sites, turns, self.model.noise_size())
        chosen = torch.stack(
            [torch.randperm(len(self.shown), generator=g)[: shape[0]] for g in self.generators]
        )
        noise = torch.stack([torch.randn(shape, generator=g) for g in self.generators])
        if self.replay is None:
            self.advance(chosen.to(self.device), noise.to(self.device), moment)
        else:
            self.replay(
                (moment.alike, self.model.mixture.is_active, len(self.guides)),
                (chosen, noise, torch.tensor(moment.numbers())),
                lambda given: self.advance(given[0], given[1], moment.with_numbers(given[2])),
            )
        self.history.steps += 1

    def advance(self, chosen: Tensor, noise: Tensor, moment: Moment) -> None:
        """The step on sites ``chosen`` (member, site), with noise (member, site, turn, number)."""
        known = self.shown.known
        side = Side(
            conditions=self.shown.conditions[chosen],
            known=None if known is None else known[chosen],
            spectra=None if self.shown.spectra is None else self.shown.spectra[chosen],
            spectra_known=None
            if self.shown.spectra_known is None
            else self.shown.spectra_known[chosen],
            direction=None if self.shown.direction is None else self.shown.direction[chosen],
        )
        self.teaching.tell(side, chosen, moment)
        self.start.tell(side, chosen)
        for guide in self.guides:
            guide.tell(side, chosen)
        copies = self.copies_of(chosen, side, moment)
        if self.memory is not None:
            self.memory.renew(self.model, chosen, copies, self.shown.conditions[chosen])
            side.near_class = self.memory.near(chosen)
        terms = self.model(
            self.shown.target[chosen],
            copies,
            noise,
            side,
            keep=moment.keep,
            weights=moment.weights,
        )
        # Summed over members: each parameter belongs to one member, so gradients do not mix.
        loss = -terms.objective.sum()
        for group in self.optimiser.param_groups:
            group["lr"] = group["pace"] * moment.rate
        self.optimiser.zero_grad()
        loss.backward()
        self.clip()
        self.optimiser.step()
        self.history.add(terms)

    @property
    def guides(self) -> list[StartShifts | StartContents | StartAligned]:
        """Shifts and contents to which the encoder keeps at this step."""
        found = (self.shifts, self.start_contents, self.aligned)
        return [guide for guide in found if guide and guide.first <= self.step < guide.last]

    def copies_of(self, chosen: Tensor, side: Side, moment: Moment) -> Tensor:
        """Turned copies (member, site, turn, pixels) of the chosen patches: all, or those of their
        likeliest turns alone, which ``side`` then names."""
        choose = moment.keep is not None and side.turn is None
        if not choose or self.top_turns is None:
            return self.shown.copies(chosen)
        side.top_turns = self.top_turns.of_batch(self.model, chosen, self.step)
        return self.shown.some(chosen, side.top_turns)

    def clip(self, largest: float = 100.0) -> None:
        """Limit the length of each member's gradient."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        lengths = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients])
        length = torch.linalg.vector_norm(lengths, dim=0)
        if self.device.type == "cpu" and bool((length <= largest).all()):
            return
        factor = (largest / length.clamp_min(1e-12)).clamp_max(1.0)
        for gradient in gradients:
            gradient.mul_(factor.reshape(-1, *[1] * (gradient.dim() - 1)))

    def record(self, seconds: float) -> None:
        """Close one row of history per member."""
        seen = self.schedule.seen(self.step, len(self.shown))
        moment = {
            "step": self.step,
            "epoch": round(seen / len(self.shown), 3),
            "phase": "classes" if self.step > self.schedule.activation_step else "pose",
        }
        self.history.close(moment, self.schedule.learning_rate(self.step - 1), seconds)

    @torch.no_grad()
    def contents(self) -> tuple[Tensor, Tensor]:
        """Content (member, site, latent) and angle (member, site) of all training sites, at their
        likeliest turns."""
        parts, angles = [], []
        for rows in torch.arange(len(self.shown), device=self.device).split(256):
            chosen = rows.expand(len(self.members), -1)
            conditions = self.shown.conditions[chosen]
            encoded = self.model.encoder(self.shown.copies(chosen), conditions)
            best = encoded.turn_logit.argmax(-1, keepdim=True)
            picked = encoded.pick(best)
            parts.append(picked.content[0].squeeze(2))
            angle = self.model.turns[best].squeeze(2)
            if ANGLE.name in picked.parts:
                angle = angle + picked.parts[ANGLE.name][0].squeeze(-1).squeeze(2)
            angles.append(angle)
        return torch.cat(parts, dim=1), torch.cat(angles, dim=1)

    def spread(self, k: int) -> dict[str, Any]:
        """``mean`` (latent) and ``covariance`` (latent, latent) of the k-th member's content of all
        training sites."""
        rows = self.contents()[0][k].double().cpu()
        covariance = torch.atleast_2d(rows.T.cov(correction=0))
        return {"mean": rows.mean(0).tolist(), "covariance": covariance.tolist()}

    def save(self, path: Path) -> None:
        """Write a checkpoint from which ``resume`` goes on to the same weights."""
        tensors = {f"model/{name}": v for name, v in self.model.state_dict().items()}
        tensors |= checkpoint.optimiser_state(self.optimiser, self.names)
        tensors |= {
            f"generator/{k}": generator.get_state() for k, generator in enumerate(self.generators)
        }
        for state in self.states:
            tensors |= state.tensors()
        facts = {"key": self.key, "step": self.step, **self.history.facts()}
        checkpoint.save(path, tensors, facts)

    def resume(self, path: Path) -> bool:
        """Go on from a checkpoint of the same data and settings, if there is one."""
        found = checkpoint.load(path)
        if found is None or found[1].get("key") != self.key:
            return False
        tensors, facts = found
        state = {n.removeprefix("model/"): v for n, v in tensors.items() if n.startswith("model/")}
        self.model.load_state_dict(state)
        checkpoint.restore_optimiser(self.optimiser, self.names, tensors)
        for k, generator in enumerate(self.generators):
            generator.set_state(tensors[f"generator/{k}"])
        for saved in self.states:
            saved.restore(tensors)
        self.history.restore_facts(facts)
        self.step = facts["step"]
        return True

    def start_from(self, weights: dict[str, Tensor]) -> None:
        """Begin where the classes become active, with the weights of members without classes.

        Raises
        ------
        UserError : the weights belong to another architecture.
        """
        own = self.model.state_dict()
        starting.refuse_unlike(weights, own)
        self.model.load_state_dict(own | weights)
        self.step = self.schedule.activation_step

    def member_state(self, k: int) -> dict[str, Tensor]:
        """Weights of the k-th member alone, with a member axis of length one."""
        return {name: value[k : k + 1] for name, value in self.model.state_dict().items()}

    def facts(self, k: int) -> dict[str, Any]:
        """Architecture and outcome of the k-th member, for the header of its file."""
        last = self.history.last[k]
        # No prior holds the latents of an autoencoder: only training tells where they lie.
        spread = None if self.settings.stochastic else self.spread(k)
        return {
            "spread": spread,
            "physics": None
            if self.model.physics is None
            else own_term.price(self.model, self.shown)[k],
            "settings": asdict(self.settings),
            "shape": list(self.model.shape),
            "target": list(self.model.target),
            "channels": self.model.channels,
            "cell": self.model.cell,
            "codec": self.codec.as_dict(),
            "member": self.members[k],
            "seed": self.seed,
            "elbo": last["elbo"],
            "trained_on": str(self.device),
        }
