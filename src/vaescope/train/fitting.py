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
from typing import Any

import torch
from torch import Tensor

from vaescope.models.elbo import POSE, Terms
from vaescope.models.family import Family, PhysicsLoss, Side
from vaescope.models.register import Freedom
from vaescope.models.settings import Settings
from vaescope.train import checkpoint, prototypes
from vaescope.train.adam import Adam
from vaescope.train.classes import settle, wake
from vaescope.train.data import Data
from vaescope.train.memory import Memory
from vaescope.train.schedule import Plan

RECORDED = (
    "elbo",
    "reconstruction",
    "kl_content",
    "kl_turns",
    "kl_offset",
    "kl_strain",
    "kl_class",
    "penalty",
)
RECORD_EVERY = 20  # steps averaged in one row of the history
SAVE_EVERY = 100  # steps between checkpoints: a few seconds of work at risk
PACED = (
    "log_sigma",
    "shear_axis",
    "turn_prior",
    *(f"mixture.{name}" for name in ("logit", "mean", "log_sd", "slant")),
)
PACE = (
    5.0  # Adam moves every number by about the learning rate: too slow for these few on log scales
)
CACHE_BYTES = 2**30  # turned copies are kept if they fit into so much memory

Log = Callable[[str], None]


def member_seed(seed: int, member: int, purpose: str = "train") -> int:
    """A seed of its own for every member and purpose (63 bits)."""
    text = f"{seed}/{member}/{purpose}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


def optimiser_of(model: Family) -> tuple[Adam, list[str]]:
    """Adam over a model's parameters, and their names in the optimiser's order."""
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    scalars = [name for name in named if name in PACED]
    weights = [name for name in named if name not in PACED]
    groups = [
        {"params": [named[name] for name in weights], "pace": 1.0},
        {"params": [named[name] for name in scalars], "pace": PACE},
    ]
    return Adam(groups, betas=(0.9, 0.99)), weights + scalars


class Fitting:
    """One training of some members, from its first step or from a checkpoint."""

    def __init__(
        self,
        data: Data,
        settings: Settings,
        *,
        members: list[int],
        seed: int,
        device: torch.device,
        key: str,
        physics: PhysicsLoss | None = None,
    ) -> None:
        self.settings, self.members, self.seed, self.device = settings, members, seed, device
        self.plan, self.key, self.codec = Plan(settings), key, data.codec
        self.patches = torch.from_numpy(data.patches).to(device)
        self.target = self.patches
        if data.target is not data.patches:
            self.target = torch.from_numpy(data.target).to(device)
        self.conditions = torch.from_numpy(data.conditions).to(device)
        self.labels = None if data.labels is None else torch.from_numpy(data.labels).to(device)
        self.generators = [
            torch.Generator().manual_seed(member_seed(seed, member)) for member in members
        ]
        self.model = Family(
            len(members),
            tuple(data.patches.shape[1:]),
            settings,
            tuple(data.target.shape[1:]),
            data.conditions.shape[1],
        ).to(device)
        self.model.initialise(self.generators, torch.from_numpy(data.target))
        self.model.physics = physics
        self.optimiser, self.names = optimiser_of(self.model)
        self.step = 0
        self.taught: Tensor | None = None
        self.upright: Tensor | None = None
        self.start: dict[str, Tensor] | None = None
        self.history: list[dict[str, Any]] = []
        self.sums: dict[str, Tensor] = {}
        size = self.patches[0].numel() * len(self.model.turns) * 4 * len(data)
        self.cached = self.model.copies(self.patches) if size <= CACHE_BYTES else None
        self.memory = Memory.of(data, settings, len(members), device)

    def run(self, save_to: Path | None, log: Log, told: Callable[[], None] = lambda: None) -> None:
        """Train to the end, leaving checkpoints on the way; ``told`` is called at every step."""
        started = time.perf_counter()
        spent = self.history[-1]["seconds"] if self.history else 0.0
        if self.settings.prototypes and self.start is None:
            log(f"members {self.members}: laying patches onto prototypes")
            self.start = self.first_poses()
        seeds = [member_seed(self.seed, m, "classes") % 2**32 for m in self.members]
        while self.step < self.settings.steps:
            if self.step == self.plan.wake_step:
                log(f"members {self.members}: the pose stands, waking the classes")
                structure = None if self.start is None else self.start["structure"]
                self.taught, self.upright = wake(
                    self.model, *self.contents(), seeds, self.labels, structure
                )
            elif self.step in self.plan.settling and self.taught is not None:
                self.taught = settle(
                    self.model, self.contents()[0], self.taught, seeds, self.labels
                )
            self.one_step()
            self.step += 1
            if self.step % RECORD_EVERY == 0 or self.step == self.settings.steps:
                self.record(spent + time.perf_counter() - started)
            told()
            if save_to is not None and self.step % SAVE_EVERY == 0:
                self.save(save_to)
        last = self.history[-len(self.members) :]
        log(f"members {self.members}: ELBO {', '.join(format(row['elbo'], '.1f') for row in last)}")

    def one_step(self) -> None:
        """One step of Adam on a batch of its own for every member."""
        plan = self.plan
        batch = min(plan.batch(self.step), len(self.patches))
        chosen = torch.stack(
            [torch.randperm(len(self.patches), generator=g)[:batch] for g in self.generators]
        ).to(self.device)
        keep = plan.keep(self.step)
        turns = len(self.model.turns) if keep is None else min(keep, len(self.model.turns))
        shape = (batch, turns, self.model.noise_size())
        noise = torch.stack([torch.randn(shape, generator=g) for g in self.generators])
        copies = self.copies_of(chosen)
        if self.memory is not None:
            self.memory.look(self.model, chosen, copies, self.conditions[chosen])
        terms = self.model(
            self.target[chosen],
            copies,
            noise.to(self.device),
            self.side(chosen),
            keep=keep,
            weights=plan.weights(self.step),
        )
        # Summed over members: each parameter belongs to one member, so gradients do not mix.
        loss = -terms.objective.sum()
        for group in self.optimiser.param_groups:
            group["lr"] = group["pace"] * plan.learning_rate(self.step)
        self.optimiser.zero_grad()
        loss.backward()
        self.clip()
        self.optimiser.step()
        self.note(terms)

    def first_poses(self) -> dict[str, Tensor]:
        """Structure, turn and other parts of the pose (member, site, …) from prototypes."""
        settings = self.settings
        freedom = Freedom.of(
            settings.rotation,
            settings.symmetry,
            settings.prototype_strain,
            settings.offset_sd if settings.offsets else 0.0,
        )
        found = []
        for member in self.members:
            generator = torch.Generator()
            generator.manual_seed(member_seed(self.seed, member, "prototypes"))
            start = prototypes.find(
                self.patches.cpu(), settings.prototypes, freedom, generator, settings.classes
            )
            parts = {"structure": start.structure, "turn": start.turns(self.model)}
            found.append(parts | start.parts(self.model))
        return {
            name: torch.stack([parts[name] for parts in found]).to(self.device) for name in found[0]
        }

    def side(self, chosen: Tensor) -> Side:
        """What is known of the chosen sites (member, site) beside their pictures."""
        side = Side(conditions=self.conditions[chosen])
        share = self.plan.teaching(self.step)
        if self.taught is not None and (share > 0.0 or self.labels is not None):
            side.taught = torch.stack([self.taught[k, rows] for k, rows in enumerate(chosen)])
            side.trust = torch.full(chosen.shape, share, device=self.device)
            if self.labels is not None:
                side.trust = torch.where(self.labels[chosen] >= 0, 1.0, side.trust)
        if self.upright is not None and share > self.plan.MENDED:
            side.turn = torch.stack([self.upright[k, rows] for k, rows in enumerate(chosen)])
        if self.start is not None:
            told = {
                name: torch.stack([value[k, rows] for k, rows in enumerate(chosen)])
                for name, value in self.start.items()
            }
            side.turn = told["turn"]
            side.pose = {n: (told[n], told[f"{n}_error"]) for n in POSE if n in told}
        if self.memory is not None:
            side.near_content, side.near_class = self.memory.near(chosen)
        return side

    def copies_of(self, chosen: Tensor) -> Tensor:
        """Turned copies (member, site, turn, pixels) of the chosen patches."""
        if self.cached is not None:
            return self.cached[chosen]
        copies = self.model.copies(self.patches[chosen].flatten(0, 1))
        return copies.reshape(*chosen.shape, *copies.shape[1:])

    def clip(self, largest: float = 100.0) -> None:
        """Limit the length of each member's gradient."""
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        squares = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0)
        factor = (largest / squares.sqrt().clamp_min(1e-12)).clamp_max(1.0)
        for gradient in gradients:
            gradient.mul_(factor.reshape(-1, *[1] * (gradient.dim() - 1)))

    def note(self, terms: Terms) -> None:
        """Add the terms of one step to the running sums."""
        for name in RECORDED:
            value = getattr(terms, name).detach().mean(1)
            self.sums[name] = self.sums.get(name, 0) + value
        self.sums["steps"] = self.sums.get("steps", torch.zeros(1)) + 1

    def record(self, seconds: float) -> None:
        """Close one row of history per member."""
        epoch = self.plan.seen(self.step, len(self.patches)) / len(self.patches)
        for k, member in enumerate(self.members):
            row: dict[str, Any] = {
                "member": member,
                "step": self.step,
                "epoch": round(epoch, 3),
                "phase": "classes" if self.step > self.plan.wake_step else "pose",
            }
            for name in RECORDED:
                row[name] = float(self.sums[name][k] / self.sums["steps"][0])
            row["learning_rate"] = self.plan.learning_rate(self.step - 1)
            row["seconds"] = round(seconds, 3)
            self.history.append(row)
        self.sums = {}

    @torch.no_grad()
    def contents(self) -> tuple[Tensor, Tensor]:
        """Content (member, site, latent) and angle (member, site) of all training sites, at their
        likeliest turns."""
        parts, angles = [], []
        for rows in torch.arange(len(self.patches), device=self.device).split(256):
            chosen = rows.expand(len(self.members), -1)
            encoded = self.model.encoder(self.copies_of(chosen), self.conditions[chosen])
            best = encoded.turn_logit.argmax(-1, keepdim=True)
            picked = encoded.pick(best)
            parts.append(picked.content[0].squeeze(2))
            angle = self.model.turns[best].squeeze(2)
            if picked.angle is not None:
                angle = angle + picked.angle[0].squeeze(-1).squeeze(2)
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
        tensors |= {f"sums/{name}": value for name, value in self.sums.items()}
        if self.taught is not None:
            tensors["taught"] = self.taught
        if self.upright is not None:
            tensors["upright"] = self.upright
        if self.start is not None:
            tensors |= {f"start/{name}": value for name, value in self.start.items()}
        if self.memory is not None:
            tensors |= self.memory.tensors()
        facts = {"key": self.key, "step": self.step, "history": self.history}
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
        self.sums = {
            n.removeprefix("sums/"): v for n, v in tensors.items() if n.startswith("sums/")
        }
        taught = tensors.get("taught")
        self.taught = None if taught is None else taught.to(self.device)
        upright = tensors.get("upright")
        self.upright = None if upright is None else upright.to(self.device)
        start = {n.removeprefix("start/"): v for n, v in tensors.items() if n.startswith("start/")}
        self.start = {n: v.to(self.device) for n, v in start.items()} or None
        if self.memory is not None:
            self.memory.restore(tensors)
        self.step, self.history = facts["step"], facts["history"]
        return True

    def member_state(self, k: int) -> dict[str, Tensor]:
        """Weights of the k-th member alone, with a member axis of length one."""
        return {name: value[k : k + 1] for name, value in self.model.state_dict().items()}

    def facts(self, k: int) -> dict[str, Any]:
        """Architecture and outcome of the k-th member, for the header of its file."""
        last = [row for row in self.history if row["member"] == self.members[k]][-1]
        # No prior holds the latents of an autoencoder: only training tells where they lie.
        spread = None if self.settings.stochastic else self.spread(k)
        return {
            "spread": spread,
            "settings": asdict(self.settings),
            "shape": list(self.model.shape),
            "target": list(self.model.target),
            "codec": self.codec.as_dict(),
            "member": self.members[k],
            "seed": self.seed,
            "elbo": last["elbo"],
            "trained_on": str(self.device),
        }
