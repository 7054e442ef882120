"""One model of the family on arrays in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import UserError
from vaescope.notebook.arrays import as_patches

if TYPE_CHECKING:
    from vaescope.analyse.encode import Encoding, Member
    from vaescope.models.family import PhysicsLoss


class Model:
    """One named variant of the family, as an ensemble of trained members.

    Parameters
    ----------
    variant : a name in ``vaescope.models.zoo.VARIANTS``.
    members : how many are trained, from different random starts; the one with the best bound
        answers.
    seed : of all random numbers.
    threads : members trained at once.
    settings : any field of ``vaescope.models.settings.Settings``.

    Raises
    ------
    UserError : an unknown variant or setting, or a value out of range.
    """

    def __init__(
        self,
        variant: str = "rvae",
        *,
        members: int = 1,
        seed: int = 0,
        threads: int = 1,
        **settings: Any,
    ) -> None:
        from vaescope.models.settings import Settings

        self.settings = Settings.from_recipe({"variant": variant, **settings})
        self.count, self.seed, self.threads = members, seed, threads
        self.members: list[Member] = []
        self.history: list[dict[str, str]] = []

    def fit(
        self,
        images: np.ndarray,
        *,
        physics_loss: PhysicsLoss | None = None,
        log: Callable[[str], None] = lambda text: None,
        **known: np.ndarray,
    ) -> Model:
        """Train on pictures.

        Parameters
        ----------
        images : (n, height, width), (n, height, width, channel) or (n, channel, height, width);
            curves as (n, length).
        physics_loss : a term of your own, see ``models.family.PhysicsLoss``.
        log : takes a line of progress.
        known : arrays of length n by name; used where the settings name them (``condition``,
            ``labels``, ``target``, ``held_out``). ``frame``, ``y`` and ``x`` tell ``smoothness``
            where the pictures lie.

        Raises
        ------
        UserError : too few pictures, wrong shapes, or something named that was not given.
        """
        import csv

        from vaescope import train
        from vaescope.analyse.encode import load_members

        patches = as_patches(images, known)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "members")
            train.fit(
                patches,
                self.settings.as_dict(),
                members=range(self.count),
                seed=self.seed,
                out=out,
                checkpoints=Path(folder, "checkpoints"),
                threads=self.threads,
                physics_loss=physics_loss,
                log=log,
            )
            self.members = load_members(out)
            with (out / "history.csv").open(newline="") as table:
                self.history = list(csv.DictReader(table))
        return self

    @property
    def best(self) -> Member:
        """The member with the best bound.

        Raises
        ------
        UserError : nothing was trained or loaded yet.
        """
        if not self.members:
            raise UserError("this model was not trained", remedy="Call `fit` first, or use `load`")
        return max(self.members, key=lambda member: member.elbo)

    def encode(self, images: np.ndarray, **known: np.ndarray) -> Encoding:
        """Posteriors of pictures: see ``analyse.encode.Encoding`` for the fields and their units.

        ``known`` as in ``fit``; labels are not needed. Without the target, which is unknown for
        new pictures, turns rest on the encoder alone and ``elbo`` is NaN.
        """
        from vaescope.analyse import encode

        member = self.best
        return encode.encode(member, self._data(images, known, member))

    def reconstruct(self, images: np.ndarray, **known: np.ndarray) -> np.ndarray:
        """What the model makes of pictures: (n, channel, height, width) of its target."""
        return self.encode(images, **known).reconstruction

    def decode(self, content: np.ndarray, **conditions: np.ndarray) -> np.ndarray:
        """Canonical pictures (n, channel, height, width) of content (n, latent).

        Raises
        ------
        UserError : content has another number of latents, or a condition is missing.
        """
        from vaescope.analyse import encode

        member = self.best
        rows = np.atleast_2d(np.asarray(content, dtype=np.float32))
        if rows.shape[1] != self.settings.latent:
            raise UserError(
                "content has the wrong number of latents",
                found=f"shape {rows.shape}",
                expected=f"(n, {self.settings.latent})",
            )
        missing = [name for name in self.settings.condition or [] if name not in conditions]
        if missing:
            raise UserError(
                f"the model was told `{missing[0]}`, and must be told it to decode",
                remedy=f"Give `{missing[0]}` as an array of length n",
            )
        columns = {
            name: np.broadcast_to(np.asarray(value, dtype=float), len(rows))
            for name, value in conditions.items()
        }
        told = member.codec.encode(columns) if self.settings.condition else None
        return encode.decode(member, rows, told)

    def sample(self, n: int, *, seed: int = 0, **conditions: np.ndarray) -> np.ndarray:
        """Canonical pictures (n, channel, height, width) of content drawn from the prior."""
        import torch

        model = self.best.model
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(n, self.settings.latent, generator=generator)
        return self.decode(model.content_of_noise(noise, generator).numpy(), **conditions)

    def traverse(
        self,
        latent: int = 0,
        *,
        steps: int = 9,
        span: float = 2.0,
        centre: np.ndarray | None = None,
        **conditions: np.ndarray,
    ) -> np.ndarray:
        """Canonical pictures (steps, channel, height, width) along one latent.

        ``span`` : to either side of ``centre`` (latent,), by default the origin.
        """
        middle = np.zeros(self.settings.latent) if centre is None else np.asarray(centre)
        content = np.tile(middle.astype(np.float32), (steps, 1))
        content[:, latent] += np.linspace(-span, span, steps)
        return self.decode(content, **conditions)

    def save(self, path: str | os.PathLike) -> None:
        """Write the best member as one safetensors file, its architecture in the header."""
        from vaescope.analyse.encode import save_member

        save_member(self.best, self.seed, Path(path))

    def _data(self, images: np.ndarray, known: dict[str, np.ndarray], member: Member) -> Any:
        from dataclasses import replace

        from vaescope.train.data import gather

        settings = self.settings
        if settings.held_out not in known:
            settings = replace(settings, held_out=None)
        if settings.target not in known:
            settings = replace(settings, target=None)
        data = gather(as_patches(images, known), settings, member.codec)
        shape = tuple(data.patches.shape[1:])
        if shape != tuple(member.model.shape):
            raise UserError(
                "the pictures are not like those the model was trained on",
                found=f"(channel, height, width) = {shape}",
                expected=f"{tuple(member.model.shape)}",
            )
        if settings.target is None and self.settings.target is not None:
            # Nothing to compare with: zeros would be compared, and would choose the turns.
            blank = np.full((len(data), *member.model.target), np.nan, np.float32)
            data = replace(data, target=blank)
        return data


def load(path: str | os.PathLike) -> Model:
    """A model saved by ``Model.save``, or a member of an ensemble trained by the workflow.

    Raises
    ------
    UserError : there is no such file, or it is no file of weights.
    """
    from vaescope.analyse.encode import load_member

    member = load_member(Path(path))
    settings = member.settings.as_dict()
    model = Model(settings.pop("variant"), **settings)
    model.members = [member]
    return model
