"""Settings of the part `explore` of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from vaescope.errors import UserError
from vaescope.explore.objective_settings import ObjectiveSettings
from vaescope.explore.space_settings import SpaceSettings
from vaescope.explore.target_settings import Target
from vaescope.settings import Settings, setting

Description = Literal["content", "members", "rings", "pixels", "place"]
Acquisition = Literal["logei", "ei", "ucb", "thompson", "uncertainty", "variance"]


_OF = {
    "bo": ("stop", "objective", "space"),
    "active": ("target", "describe", "deep_kernel", "path_cost"),
}
"""Settings that one method alone has."""


@dataclass(frozen=True)
class ExploreSettings(Settings):
    """Settings of `explore`."""

    PART: ClassVar[str] = "explore"

    method: Literal["bo", "active"] | None = setting(
        None,
        help="`bo`: Bayesian optimisation of an objective in the latent space of a model; `active`:"
        " spectra measured one by one where they are worth most, with all patches known; without"
        " one there is no search",
    )
    model: str | None = setting(
        None,
        help="the model whose latent space is searched, or whose content describes the sites; by"
        " default the first of the recipe",
    )
    acquisition: Acquisition | None = setting(
        None,
        default_words="`logei` of `bo`, `variance` of `active`",
        help="what a candidate is proposed for: `logei` and `ei`, expected improvement; `ucb`, mean"
        " + `kappa` standard deviations; `thompson`, a draw from the posterior; `uncertainty`, the"
        " standard deviation alone; `variance`, the decrease of the variance of all candidates"
        " together",
    )
    kappa: float = setting(
        2.0, limits=(0, 100), help="weight of the standard deviation in the acquisition `ucb`"
    )
    start: int = setting(
        20, limits=(2, 10_000), help="candidates evaluated before the first model, far apart"
    )
    evaluations: int = setting(
        150, limits=(3, 10_000), help="candidates evaluated at most, those of the start included"
    )
    batch: int = setting(1, limits=(1, 100), help="candidates proposed at once")
    repeats: int = setting(
        5,
        limits=(0, 50),
        help="runs of each baseline; of `bo`, of the search as well, with other starts. 0: no"
        " baselines",
    )
    stop: float | None = setting(
        0.001,
        limits=(0, 1),
        help="of `bo`: the search ends when less than this, as a share of the range of the values"
        " found, is expected to be gained by going on, in twenty evaluations in a row; without it,"
        " only when all `evaluations` are made",
    )
    objective: ObjectiveSettings = setting(
        ObjectiveSettings, help="of `bo`: what a decoded curve is worth"
    )
    space: SpaceSettings = setting(
        SpaceSettings, help="of `bo`: the candidates in the latent space and how they are described"
    )
    target: Target = setting(
        Target, help="of `active`: the number that is made of every spectrum and mapped"
    )
    describe: list[Description] = setting(
        ["content", "rings", "place"],
        help="of `active`: what sites are known by before any spectrum: `content` of the model,"
        " or that of each of its `members`; `rings`, ring spectra of the image about the site;"
        " `pixels`, principal components of its patch; and `place`, y and x. The kernel of the"
        " Gaussian process is the sum of one for each",
    )
    deep_kernel: bool = setting(
        False,
        help="of `active`: tune the encoder of the model to the target, with a prior of its weights"
        " about the trained ones; given up where it does not predict measured spectra that were"
        " left out better than the content as it is",
    )
    path_cost: float = setting(
        0.0,
        limits=(0, 1e6),
        help="of `active`: time for travelling one pixel of the spectra, in units of the time for"
        " one spectrum; what counts is then the worth in a given time",
    )

    def refuse_contradictions(self) -> None:
        self._refuse_what_is_of_the_other_method()
        if self.space.features == "response" and self.objective.quantity == "function":
            raise UserError(
                "there is no lattice whose response would describe curves of a function",
                found="`space: {features: response}` with `objective: {quantity: function}`",
                expected="`features: memories`, `latents` or `auto`",
            )
        if self.deep_kernel and "content" not in self.describe:
            raise UserError(
                "a deep kernel bends the content of the model, which is left out",
                found=f"`describe: [{', '.join(self.describe)}]`",
                expected="`content` among them",
            )

    def _refuse_what_is_of_the_other_method(self) -> None:
        """Refuse what would be ignored in silence."""
        if self.method is None:
            return
        other = "active" if self.method == "bo" else "bo"
        plain = type(self)()
        idle = [name for name in _OF[other] if getattr(self, name) != getattr(plain, name)]
        if idle:
            raise UserError(
                f"`explore: {idle[0]}` is of `method: {other}` alone",
                found=f"`method: {self.method}` with " + ", ".join(f"`{name}`" for name in idle),
                remedy=f"Leave it out, or set `method: {other}`",
            )

    def refuse_recipe(
        self, model: str, *, learns_spectra: bool, has_spectra: bool, has_patches: bool
    ) -> None:
        """Refuse an active measurement that the rest of its recipe makes impossible or worthless.

        Parameters
        ----------
        model : name of the model of the search. learns_spectra : whether that is trained on
            spectra. has_spectra, has_patches : what the samples of the recipe hold.

        Raises
        ------
        UserError : there are no spectra, no patches to describe sites by, or the model knows the
            spectra already.
        """
        if self.method != "active":
            return
        if not has_spectra:
            raise UserError(
                "there is nothing to measure: the recipe reads no spectra",
                found="`explore: method: active` with `spectra: read: false`",
                remedy="Set `spectra: read: true`, or write `extends: active`",
            )
        of_patches = [name for name in self.describe if name != "place"]
        if of_patches and not has_patches:
            raise UserError(
                f"sites cannot be described by {' and '.join(f'`{one}`' for one in of_patches)}:"
                " the recipe cuts no patches",
                found="`patches: cut: false`",
                remedy="Set `patches: cut: true`, or `explore: describe: [place]`",
            )
        if learns_spectra and {"content", "members"} & set(self.describe):
            raise UserError(
                "the model of the search has seen the spectra that are to be measured",
                found=f"`{model}`, which is trained on spectra",
                expected="a model of patches alone, such as an `rvae`",
                remedy="Name one in `explore: model`, or leave `content` and `members` out of"
                " `explore: describe`",
            )

    def own_files(self) -> list[str]:
        """Files of the user's own that the search runs."""
        active = [one.function for one in self.target.parts().values()]
        named = {"active": active, "bo": [self.objective.function]}.get(self.method or "", [])
        return [name.rpartition(":")[0] for name in named if name]
