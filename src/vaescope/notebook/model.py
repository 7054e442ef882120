"""One model of the family on arrays in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope.errors import UserError
from vaescope.notebook.arrays import as_columns, as_numbers, as_patches, refuse_uncounted

if TYPE_CHECKING:
    from vaescope.ensemble.encode import Encoding
    from vaescope.ensemble.members import Member
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
    channel_axis : of arrays with four axes: 1 or -1. None: -1, and arrays to which that does
        not seem to apply are refused. Not needed for a DataArray with an axis `channel`, nor for
        a trained model, which knows its pictures.
    settings : any field of ``vaescope.models.settings.ModelSettings``.

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
        channel_axis: int | None = None,
        **settings: Any,
    ) -> None:
        from vaescope.models.settings import ModelSettings

        refuse_uncounted("members", members, 1)
        refuse_uncounted("threads", threads, 1)
        refuse_uncounted("seed", seed, 0)
        self.settings = ModelSettings.from_recipe({"variant": variant, **settings}, part="")
        if self.settings.predicts or self.settings.view == "spectrum":
            raise UserError(
                "a model of spectra is trained on a store of samples, not on arrays",
                found=f"variant {variant}",
                expected="one of the variants of pictures",
                remedy="Run the workflow with the recipe `spectra`, `im2spec`, `spec2im` or"
                " `dualvae`, or call `vaescope.train.fit` and `vaescope.ensemble.map_latents`",
            )
        self.count, self.seed, self.threads = members, seed, threads
        self.channel_axis = channel_axis
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
        images : (n, height, width) or (n, height, width, channel), see ``channel_axis``; curves as
            (n, length).
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
        from vaescope.ensemble.members import load_members

        patches = as_patches(images, known, self.channel_axis)
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
        """Posteriors of pictures: see ``ensemble.encode.Encoding`` for the fields and their units.

        ``known`` as in ``fit``; labels are not needed. Without the target, which is unknown for
        new pictures, turns rest on the encoder alone and ``elbo`` is NaN.
        """
        from vaescope.ensemble import encode

        member = self.best
        found = encode.encode(member, self._data(images, known, member))
        found.canonical, found.reconstruction = map(
            np.asarray, (found.canonical, found.reconstruction)
        )
        return found

    def reconstruct(self, images: np.ndarray, **known: np.ndarray) -> np.ndarray:
        """Reconstruct pictures: (n, channel, height, width) of its target."""
        return np.asarray(self.encode(images, **known).reconstruction)

    def decode(self, content: np.ndarray, **conditions: np.ndarray) -> np.ndarray:
        """Canonical pictures (n, channel, height, width) of content (n, latent).

        ``conditions`` : of the model, each one number or (n,).

        Raises
        ------
        UserError : content has another number of latents; a condition is missing, unknown, of
            another length or no number.
        """
        from vaescope.ensemble import encode

        member = self.best
        rows = np.atleast_2d(as_numbers(content, "content")).astype(np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.settings.latent:
            raise UserError(
                "content has the wrong number of latents",
                found=f"shape {rows.shape}",
                expected=f"(n, {self.settings.latent})",
            )
        names = self.settings.condition or []
        columns = as_columns(conditions, names, len(rows))
        return encode.decode(member, rows, member.codec.encode(columns) if names else None)

    def sample(self, n: int, *, seed: int = 0, **conditions: np.ndarray) -> np.ndarray:
        """Canonical pictures (n, channel, height, width) of content drawn from the prior.

        An autoencoder has none: it draws from the normal distribution with the mean and covariance
        of the content it was trained on.

        Raises
        ------
        UserError : as for ``decode``; n below 1; an autoencoder's file does not tell its spread.
        """
        import torch

        model = self.best.model
        refuse_uncounted("n", n, 1)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(n, self.settings.latent, generator=generator)
        content = noise.numpy()
        if model.mixture.is_active:
            content = model.mixture.draw(noise, generator).numpy()
        elif not self.settings.stochastic:
            mean, covariance = self._spread()
            size, axes = np.linalg.eigh(covariance)
            content = mean + (content * np.sqrt(size.clip(0))) @ axes.T
        return self.decode(content, **conditions)

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

        Parameters
        ----------
        latent : its index, from 0.
        span : to either side of the centre, in standard deviations: of the prior; of an
            autoencoder's content in training.
        centre : (latent,); by default the origin, of an autoencoder the mean in training.

        Raises
        ------
        UserError : as for ``decode``; no such latent; no step; an autoencoder's file does not tell
            its spread.
        """
        count = self.settings.latent
        refuse_uncounted("latent", latent, 0, count - 1)
        refuse_uncounted("steps", steps, 1)
        middle, unit = np.zeros(count), 1.0
        if not self.settings.stochastic:
            middle, covariance = self._spread()
            unit = float(np.sqrt(covariance[latent, latent]))
        if centre is not None:
            middle = as_numbers(centre, "centre")
            if middle.shape != (count,):
                raise UserError(
                    "the centre has the wrong number of latents",
                    found=f"shape {middle.shape}",
                    expected=f"({count},)",
                )
        content = np.tile(middle, (steps, 1))
        content[:, latent] += unit * np.linspace(-span, span, steps)
        return self.decode(content, **conditions)

    def _spread(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (latent,) and covariance (latent, latent) of an autoencoder's content."""
        spread = self.best.spread
        if spread is None:
            raise UserError(
                "where the latents of this autoencoder lie is not known",
                remedy="Train it again, or choose content yourself and call `decode`",
            )
        return np.array(spread["mean"]), np.array(spread["covariance"])

    def save(self, path: str | os.PathLike) -> None:
        """Write the best member as one safetensors file, its architecture in the header."""
        from vaescope.ensemble.members import save_member

        save_member(self.best, Path(path))

    def _data(self, images: np.ndarray, known: dict[str, np.ndarray], member: Member) -> Any:
        from dataclasses import replace

        from vaescope.train.data import gather

        settings = self.settings
        if settings.held_out not in known:
            settings = replace(settings, held_out=None)
        if settings.target not in known:
            settings = replace(settings, target=None)
        shapes = (member.model.shape, member.model.target)
        patches = as_patches(images, known, self.channel_axis, shapes)
        data = gather(patches, settings, member.codec)
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
    from vaescope.ensemble.members import load_member

    member = load_member(Path(path))
    settings = member.settings.as_dict()
    model = Model(settings.pop("variant"), seed=member.seed, **settings)
    model.members = [member]
    return model
