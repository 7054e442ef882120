"""Recipes: found, laid on what they extend, and resolved to the settings of every room."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from vaescope.baselines.settings import BaselineSettings
from vaescope.ensemble.settings import EnsembleSettings
from vaescope.errors import UserError, suggestion
from vaescope.explore.settings import ExploreSettings
from vaescope.figures.settings import Look
from vaescope.models.settings import ModelSettings
from vaescope.models.zoo import VARIANTS
from vaescope.predict.settings import PredictSettings
from vaescope.read.settings import IngestSettings
from vaescope.read.spectra_settings import SpectraSettings
from vaescope.results import layout
from vaescope.samples.settings import Patches
from vaescope.settings import NAME, Settings, check, merge, read_yaml, setting
from vaescope.settings.fields import part_of_settings, settings_of
from vaescope.sites.kinds import all_settings, kind_of
from vaescope.sites.settings import Windows
from vaescope.structure.settings import MovieSettings

if TYPE_CHECKING:
    Sites = Any
    """Settings of the kind of site that a recipe asks for."""
else:
    Sites = all_settings()


Reports = Literal["full", "light", "none"]
"""How much is drawn and written of a dataset."""


@dataclass(frozen=True)
class Recipe(Settings):
    """A recipe: what is done with a dataset, from its source to its report."""

    description: str = setting("", help="what the recipe is for, in words for the report")
    extends: str | None = setting(None, help="name of the recipe to build on")
    seed: int = setting(0, limits=(0, 2**32 - 1), help="seed of the random number generators")
    ingest: IngestSettings = setting(IngestSettings, help="how the source is read and corrected")
    spectra: SpectraSettings = setting(
        SpectraSettings, help="spectra beside the image, how they are read and corrected"
    )
    sites: Sites = setting(Sites, help="where the image is analysed")
    patches: Patches = setting(Patches, help="what is cut out around every site")
    models: dict[str, ModelSettings] = setting({}, help="one entry for each model, `NAME:` lines")
    prediction: PredictSettings = setting(
        PredictSettings, help="how one view of a sample is predicted from the other, and judged"
    )
    ensemble: EnsembleSettings = setting(EnsembleSettings, help="how many models are trained")
    movie: MovieSettings = setting(MovieSettings, help="how atoms are followed through a movie")
    baselines: BaselineSettings = setting(BaselineSettings, help="classical methods to compare")
    explore: ExploreSettings = setting(
        ExploreSettings, help="what is searched for, or measured next, and how"
    )
    figures: Look = setting(Look, help="how figures look")
    reports: Reports | None = setting(
        None,
        help="what is drawn and written: `full`, `light` or `none`; null: what `reports` in the"
        " configuration says",
    )

    def refuse_contradictions(self) -> None:
        """Refuse likelihoods that the normalised patches cannot have."""
        normalise = self.patches.normalise
        for name, model in self.models.items():
            kind, fits = model.likelihood, None
            if kind == "poisson" and normalise != "none":
                fits = "`patches: {normalise: none}`, which keeps counts"
            elif kind in ("bernoulli", "continuous-bernoulli") and normalise == "patch":
                fits = "`patches: {normalise: unit}`, which gives values from 0 to 1"
            if fits and model.target is None:
                raise UserError(
                    f"model `{name}`: normalised patches do not suit its likelihood",
                    found=f"likelihood: {kind} with patches.normalise: {normalise}",
                    expected=fits,
                )

    def as_dict(self) -> dict[str, Any]:
        """Plain values by name, as a recipe would give them that extends no other; of what decides
        about results alone, so without ``reports``."""
        left_out = ("extends", "reports")
        return {key: value for key, value in super().as_dict().items() if key not in left_out}


def find_recipe(name: str, folders: Sequence[Path]) -> Path:
    """The file of a recipe: ``NAME.yaml`` in the first folder that has it.

    Raises
    ------
    UserError : no folder has it; the message lists the recipes there are.
    """
    if re.fullmatch(NAME, name):
        for folder in folders:
            for suffix in (".yaml", ".yml"):
                if (folder / f"{name}{suffix}").is_file():
                    return folder / f"{name}{suffix}"
    known = sorted({file.stem for folder in folders for file in folder.glob("*.y*ml")})
    raise UserError(
        "there is no such recipe",
        found=repr(name),
        expected="one of " + ", ".join(known) if known else "a file `recipes/NAME.yaml`",
        remedy=suggestion(name, known)
        or "Correct the column `recipe`, or write `recipes/NAME.yaml` beside the sample sheet",
    )


def resolve_recipe(name: str, folders: Sequence[Path]) -> Recipe:
    """A recipe with everything that it extends and every default filled in.

    Parameters
    ----------
    name : name of the recipe.
    folders : where to look for ``NAME.yaml``; the first that has it wins.

    Returns
    -------
    The resolved recipe, with the settings of its kind of site alone. A model that a recipe sets to
    null is left out. Files named in it are absolute paths.

    Raises
    ------
    UserError : the recipe is unknown, misspelt, out of range, extends itself, or cannot work.
    """
    given: dict[str, Any] = {}
    chain: list[Path] = []
    wanted: str | None = name
    while wanted is not None:
        path = find_recipe(wanted, folders)
        if path in chain:
            raise UserError(
                "this recipe extends itself",
                file=path,
                found=" → ".join(file.stem for file in [*chain, path]),
                remedy="Take one `extends` out",
            )
        chain.append(path)
        layer = check(Recipe, read_yaml(path), file=path)
        wanted = layer.pop("extends", None)
        given = merge(_anchored(Recipe, layer, path.parent), given)
    given["models"] = _models(given.get("models", {}), chain[0])
    recipe = Recipe.of(given, file=chain[0])
    _refuse_unfit_search(recipe, chain[0])
    return replace(recipe, sites=_sites(recipe, chain[0]))


def _models(given: Mapping[str, Any], file: Path) -> dict[str, ModelSettings]:
    """Settings of each model; its variant is its name unless it says otherwise."""
    models = {}
    for name, settings in given.items():
        if settings is None:
            continue
        if name.lower() in layout.RESERVED_MODELS or name.lower().endswith(layout.STORED):
            raise UserError(
                f"a model cannot be called `{name}`", file=file, remedy="Call it something else"
            )
        if "variant" not in settings and name not in VARIANTS:
            raise UserError(
                f"model `{name}`: no variant is given",
                file=file,
                expected=f"`variant:` with one of {', '.join(sorted(VARIANTS))}",
                remedy=suggestion(name, VARIANTS),
            )
        full = {"variant": name, **settings}
        models[name] = ModelSettings.from_recipe(full, part=f"models.{name}", file=file)
    if not models:
        raise UserError(
            "the recipe trains no model", file=file, expected="`models:` with at least one name"
        )
    return {name: _started(name, models, given, file) for name in models}


def _started(
    name: str, models: Mapping[str, ModelSettings], given: Mapping[str, Any], file: Path
) -> ModelSettings:
    """Settings of a model that starts from another one only if the recipe trains one like it.

    Raises
    ------
    UserError : no recipe has the other model.
    """
    own = models[name]
    if own.start_from is None:
        return own
    if own.start_from not in given:
        raise UserError(
            f"model `{name}` starts from a model that is not there",
            file=file,
            found=f"start_from: {own.start_from}",
            expected="another model of the recipe",
            remedy=suggestion(own.start_from, given),
        )
    other = models.get(own.start_from)
    usable = other is not None and own.can_start_from(other)
    return own if usable else replace(own, start_from=None)


def _refuse_unfit_search(recipe: Recipe, file: Path) -> None:
    """Refuse a search with a model that the recipe does not have, one among curves with a model
    that decodes none, or a measurement of what the recipe does not read."""
    wanted = recipe.explore.model
    if wanted is not None and wanted not in recipe.models:
        raise UserError(
            "`explore.model` names no model of the recipe",
            file=file,
            found=repr(wanted),
            expected="one of " + ", ".join(recipe.models),
            remedy=suggestion(wanted, recipe.models),
        )
    name = wanted or next(iter(recipe.models))
    try:
        recipe.explore.refuse_recipe(
            name,
            learns_spectra=recipe.models[name].learns_spectra,
            has_spectra=recipe.spectra.read,
            has_patches=recipe.patches.cut,
        )
    except UserError as error:
        raise error.within(file=file) from None
    if recipe.explore.method != "bo":
        return
    curves = [name for name, m in recipe.models.items() if m.decoded == m.view == "spectrum"]
    if name not in curves:
        own = recipe.models[name]
        raise UserError(
            "`explore: method: bo` searches among the curves that a model decodes, and"
            f" `{name}` decodes none",
            file=file,
            found=f"a model that decodes a {own.decoded} from a {own.view}",
            expected="a model of spectra (`view: spectrum`)",
            remedy=f"Set `explore: model: {curves[0]}`"
            if curves
            else "Add a model of spectra, such as `vae: {variant: spectrum-vae}`",
        )


def _sites(recipe: Recipe, file: Path) -> Settings:
    """Settings of the kind of site alone, with what they need of other parts."""
    kind, own = kind_of(recipe.sites, file=file)
    if kind.settings is Windows and own.window is None:
        # A window is what its patch shows: who gives the size of patches alone means both.
        return replace(own, window=recipe.patches.size)
    return replace(own, detector=kind.detector(own)) if hasattr(own, "detector") else own


def _anchored(kind: type[Settings], given: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Settings with the files that they name as absolute paths: they are given relative to the
    recipe."""
    known, anchored = settings_of(kind), dict(given)
    for key, value in given.items():
        each = known[key]
        if each.facts.path and isinstance(value, str):
            anchored[key] = str((folder / Path(value).expanduser()).resolve())
        elif isinstance(value, Mapping) and get_origin(each.hint) is dict:
            inner = get_args(each.hint)[1]
            anchored[key] = {
                name: one if one is None else _anchored(inner, one, folder)
                for name, one in value.items()
            }
        elif isinstance(value, Mapping) and (part := part_of_settings(each.hint)) is not None:
            anchored[key] = _anchored(part, value, folder)
    return anchored
