"""Trained members of an ensemble, and the files that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vaescope.errors import UserError
from vaescope.models.family import Family
from vaescope.models.settings import ModelSettings
from vaescope.train import checkpoint
from vaescope.train.data import Codec


@dataclass
class Member:
    """A trained member and what its file says of it.

    ``seed`` of the training; ``spread`` of an autoencoder's content over the training sites, as
    ``mean`` (latent) and ``covariance`` (latent, latent); None where a prior tells it, or where the
    file is older. ``physics``: what the data pay for a term of the user's own
    (``train.own_term``), None where there is none.
    """

    model: Family
    number: int
    elbo: float
    codec: Codec
    seed: int = 0
    spread: dict[str, Any] | None = None
    physics: dict[str, float] | None = None

    @property
    def settings(self) -> ModelSettings:
        return self.model.settings


def load_members(folder: Path) -> list[Member]:
    """All members of an ensemble, in the order of their numbers.

    Raises
    ------
    UserError : there are none, or a file cannot be read.
    """
    found = [load_member(file) for file in sorted(folder.glob("member-*.safetensors"))]
    if not found:
        raise UserError("no trained members here", file=folder, remedy="Run the training again")
    return sorted(found, key=lambda member: member.number)


def load_member(file: Path) -> Member:
    """One member from its file.

    Raises
    ------
    UserError : the file is missing, or holds no weights of a model.
    """
    loaded = checkpoint.load(file)
    try:
        assert loaded is not None
        tensors, facts = loaded
        codec = Codec.from_dict(facts["codec"])
        shapes = (tuple(facts["shape"]), tuple(facts["target"]))
        own = ModelSettings.of_older(facts["settings"])
        more = facts.get("channels", 0), facts.get("cell")
        model = Family(1, shapes[0], own, shapes[1], codec.size, *more)
        model.load_state_dict(tensors)
    except (AssertionError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(
            "the weights cannot be read",
            file=file,
            found="no such file" if not file.exists() else None,
            remedy="Train the model again",
        ) from error
    model.eval()
    return Member(
        model,
        facts["member"],
        facts["elbo"],
        codec,
        facts.get("seed", 0),
        facts.get("spread"),
        facts.get("physics"),
    )


def save_member(member: Member, file: Path) -> None:
    """Write one member so that ``load_member`` reads it: weights, and the rest as a JSON header."""
    facts = {
        "settings": member.settings.as_dict(),
        "shape": list(member.model.shape),
        "target": list(member.model.target),
        "channels": member.model.channels,
        "cell": member.model.cell,
        "codec": member.codec.as_dict(),
        "member": member.number,
        "seed": member.seed,
        "elbo": member.elbo,
        "spread": member.spread,
        "physics": member.physics,
    }
    checkpoint.save(file, member.model.state_dict(), facts)
