"""The plan of a run: which datasets with which resolved recipes, and which rows are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from vaescope.baselines.settings import BaselineSettings
from vaescope.errors import UserError, suggestion
from vaescope.learned.files import bundled
from vaescope.learned.settings import DetectorSettings
from vaescope.models.settings import ModelSettings
from vaescope.recipes import Recipe, Reports, resolve_recipe
from vaescope.results import layout
from vaescope.settings import Settings, merge
from vaescope.sites.kinds import KINDS
from vaescope.workflow.fingerprints import Fingerprints
from vaescope.workflow.places import matching, megabytes
from vaescope.workflow.settings import Configuration
from vaescope.workflow.sheet import Problem, Row, message, read_sheet


@dataclass
class Plan:
    """Datasets, recipes and settings of a run; made once per process, without opening stores."""

    sheet: Path
    results: Path
    rows: dict[str, Row]
    recipes: dict[str, Recipe]
    problems: list[Problem]
    fingerprints: Fingerprints = field(repr=False)
    exports: list[str] = field(default_factory=list)
    usual_reports: Reports = "full"
    _plain: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False)

    def row(self, dataset: str) -> Row:
        """The row of a dataset.

        Raises
        ------
        UserError : the sample sheet has no such dataset.
        """
        if dataset not in self.rows:
            raise UserError(
                "the sample sheet has no such dataset",
                file=self.sheet,
                found=repr(dataset),
                expected="one of " + ", ".join(self.rows),
                remedy=suggestion(dataset, self.rows),
            )
        return self.rows[dataset]

    def recipe(self, dataset: str) -> Recipe:
        """The resolved recipe of a dataset."""
        return self.recipes[self.row(dataset).recipe]

    def plain_recipe(self, dataset: str, keys: Sequence[str] = ()) -> Any:
        """A part of a dataset's recipe in plain values, the same object for all its datasets.

        Of ten thousand datasets each has several jobs to which it is given.
        """
        part = (self.row(dataset).recipe, *keys)
        if part not in self._plain:
            value: Any = self.recipe(dataset)
            for key in keys:
                value = value[key] if isinstance(value, Mapping) else getattr(value, key)
            self._plain[part] = value.as_dict() if isinstance(value, Settings) else value
        return self._plain[part]

    def models(self, dataset: str) -> list[str]:
        """Names of the models of a dataset."""
        return list(self.recipe(dataset).models)

    def reports(self, dataset: str) -> Reports:
        """How much is drawn and written of a dataset: ``full``, ``light`` or ``none``."""
        return self.recipe(dataset).reports or self.usual_reports

    def page(self, dataset: str) -> str:
        """What completes the results of a dataset, relative to its folder: its report, or its facts
        where no report is written."""
        return layout.FACTS if self.reports(dataset) == "none" else layout.REPORT

    def maps_strain(self, dataset: str) -> bool:
        """Whether the sites of a dataset are atoms, between which strain can be measured."""
        return KINDS[self.recipe(dataset).sites.method].traits.atoms

    def maps_walls(self, dataset: str) -> bool:
        """Whether the sites of a dataset lie on domain walls."""
        return KINDS[self.recipe(dataset).sites.method].traits.directed

    def defects(self, dataset: str) -> str:
        """The user's own file of defects that may pin domain walls; empty where there is none."""
        return getattr(self.recipe(dataset).sites, "defects", None) or ""

    def explores(self, dataset: str) -> bool:
        """Whether the recipe of a dataset has a search."""
        return self.recipe(dataset).explore.method is not None

    def explored_model(self, dataset: str) -> str:
        """Name of the model whose latent space a search is in."""
        return self.recipe(dataset).explore.model or self.models(dataset)[0]

    def objective(self, dataset: str) -> list[str]:
        """Fingerprints of the user's own files that a search runs."""
        files = self.recipe(dataset).explore.own_files()
        return [self.fingerprints.of([Path(file)], file) for file in files]

    def reads_spectra(self, dataset: str) -> bool:
        """Whether a dataset has spectra beside its image."""
        return self.recipe(dataset).spectra.read

    def held_out(self, dataset: str) -> dict[str, Any] | None:
        """How sites are held out of training, where a model predicts one view from another."""
        recipe = self.recipe(dataset)
        own = [model.held_out for model in recipe.models.values() if model.predicts]
        if not own or not recipe.spectra.read:
            return None
        chosen = recipe.prediction
        return {
            "how": next((how for how in own if how in ("blocks", "random")), chosen.held_out),
            "share": chosen.share,
            "window": chosen.window,
            "seed": self.seed(dataset),
        }

    def predicts_spectra(self, dataset: str, model: str) -> bool:
        """Whether a model predicts spectra from patches alone, so that others stand beside it."""
        settings = self.model(dataset, model)
        return settings.view == "patch" and settings.target == "spectrum"

    def strained(self, dataset: str) -> list[str]:
        """Names of the models of a dataset that have strain."""
        models = self.recipe(dataset).models
        return [name for name, settings in models.items() if settings.strain]

    def model(self, dataset: str, model: str) -> ModelSettings:
        """Settings of one model of a dataset."""
        models = self.recipe(dataset).models
        if model not in models:
            raise UserError(
                f"dataset `{dataset}` has no model `{model}`",
                expected="one of " + ", ".join(models),
            )
        return models[model]

    def starts_from(self, dataset: str, model: str) -> str | None:
        """Name of the model from whose members those of a model start; None: from random ones."""
        return self.model(dataset, model).start_from

    def physics(self, dataset: str, model: str) -> str:
        """Fingerprint the user's own loss term of a model; empty where there is none."""
        given = self.model(dataset, model).physics_loss
        if not given:
            return ""
        return self.fingerprints.of([Path(given.rpartition(":")[0])], given)

    def baselines(self, dataset: str) -> BaselineSettings:
        """Settings of the classical methods, with as many clusters as the models have classes."""
        recipe = self.recipe(dataset)
        known = [m.most_classes for m in recipe.models.values() if not m.counts_classes]
        classes = max(known, default=0)
        clusters = recipe.baselines.clusters_for(classes)
        return replace(recipe.baselines, clusters=clusters)

    def disc(self, dataset: str) -> bool:
        """Whether models of a dataset see only the pixels inside the circle, for its rotation."""
        return any(model.rotation for model in self.recipe(dataset).models.values())

    def detector(self, dataset: str) -> str | None:
        """Name of the learned detector that has to be trained for a dataset; None if it needs none,
        or one that comes with the package."""
        settings = self._detector(self.recipe(dataset))
        return settings.digest() if settings and not bundled(settings) else None

    def uses_detector(self, dataset: str) -> bool:
        """Whether the sites of a dataset may be found by a learned detector."""
        return self._detector(self.recipe(dataset)) is not None

    def detector_settings(self, detector: str) -> DetectorSettings:
        """Settings of a learned detector that some dataset needs."""
        for recipe in self.recipes.values():
            settings = self._detector(recipe)
            if settings and settings.digest() == detector:
                return settings
        raise UserError("no dataset needs this detector", found=repr(detector))

    def _detector(self, recipe: Recipe) -> DetectorSettings | None:
        return getattr(recipe.sites, "detector", None)

    def jobs(self, dataset: str) -> int:
        """Number of jobs over which the members of an ensemble are distributed."""
        ensemble = self.recipe(dataset).ensemble
        return min(ensemble.jobs, ensemble.members)

    @cached_property
    def trainings(self) -> int:
        """Number of training jobs of all datasets."""
        return sum(len(self.models(dataset)) * self.jobs(dataset) for dataset in self.rows)

    def members(self, dataset: str, part: int) -> list[int]:
        """Members that one of these jobs trains."""
        count, jobs = self.recipe(dataset).ensemble.members, self.jobs(dataset)
        return list(range(count * part // jobs, count * (part + 1) // jobs))

    def exported(self, formats: Sequence[str] = tuple(layout.EXPORTS)) -> list[str]:
        """What is exported, as paths with ``{dataset}``: of these formats, those wanted."""
        chosen = [name for name in formats if name in self.exports]
        return [layout.pattern(path) for name in chosen for path in layout.EXPORTS[name]]

    def seed(self, dataset: str) -> int:
        """Seed of a dataset's random numbers."""
        return self.recipe(dataset).seed

    def files(self, dataset: str) -> list[Path]:
        """Source files of a dataset, sorted; a plain name is given back even if it is missing."""
        row = self.row(dataset)
        return [] if row.simulation is not None else self._files(row.source)

    def spectra_files(self, dataset: str) -> list[Path]:
        """Files of a dataset's spectra, where these are others than its source."""
        row = self.row(dataset)
        if not (row.spectra and self.reads_spectra(dataset)):
            return []
        return self._files(row.spectra)

    def _files(self, source: str) -> list[Path]:
        return matching(self.sheet.parent / Path(source).expanduser(), source)

    def preprocessing_files(self, dataset: str) -> dict[str, str]:
        """Files that the recipe's preprocessing of the image reads, by setting."""
        return self.recipe(dataset).ingest.preprocess.files()

    def spectra_preprocessing_files(self, dataset: str) -> dict[str, str]:
        """Files that the recipe's preprocessing of the spectra reads, by setting."""
        return self.recipe(dataset).spectra.preprocess.files()

    def fingerprint(self, dataset: str) -> list[str]:
        """Fingerprint the source, the spectra beside it, and the files that preprocessing reads."""
        row = self.row(dataset)
        if row.simulation is not None:
            source = f"{row.source}, seed {self.seed(dataset)}"
        else:
            source = self.fingerprints.of(self.files(dataset), f"{dataset}: {row.source}")
        beside = self.spectra_files(dataset)
        if beside:
            source += self.fingerprints.of(beside, f"{dataset}: spectra {row.spectra}")
        others = [*self.preprocessing_files(dataset).values()]
        others += self.spectra_preprocessing_files(dataset).values()
        return [source, *(self.fingerprints.of([Path(file)], file) for file in others)]

    def ingest_settings(self, dataset: str) -> dict[str, Any]:
        """Settings of ``ingest`` without the places of files: their fingerprints stand for them."""
        recipe = self.recipe(dataset)
        ingest = recipe.ingest.as_dict()
        if ingest["unmeasured"] == "auto":
            placed = KINDS[recipe.sites.method].traits.placed
            ingest["unmeasured"] = "constant" if placed else "nan"
        names = {key: Path(file).name for key, file in self.preprocessing_files(dataset).items()}
        return merge(ingest, {"preprocess": names})

    def spectra_settings(self, dataset: str) -> dict[str, Any]:
        """Settings of ``spectra`` without the places of files, as ``ingest_settings``."""
        names = {
            key: Path(file).name for key, file in self.spectra_preprocessing_files(dataset).items()
        }
        return merge(self.recipe(dataset).spectra.as_dict(), {"preprocess": names})

    def source_mb(self, dataset: str) -> float:
        """Size of the source in MB (10⁶ bytes); 0 where it is simulated or missing."""
        files = [*self.files(dataset), *self.spectra_files(dataset)]
        return sum(map(megabytes, files))

    def all_rows(self) -> list[dict[str, Any]]:
        """Usable rows for the index, each with its models, with ``reports`` where they are not full
        and its detector, if it needs one."""
        rows = []
        for row in self.rows.values():
            detector, written = self.detector(row.dataset), self.reports(row.dataset)
            more: dict[str, Any] = {"detector": detector} if detector else {}
            more |= {"reports": written} if written != "full" else {}
            rows.append(row.as_dict() | {"models": self.models(row.dataset)} | more)
        return rows

    def all_problems(self) -> list[dict[str, Any]]:
        """Refused rows for the index."""
        return [problem.as_dict() for problem in self.problems]


def make_plan(config: dict[str, Any], root: Path, here: Path, *, again: bool = False) -> Plan:
    """Read sample sheet and recipes.

    Parameters
    ----------
    config : the workflow's configuration (see ``config/README.md``).
    root : folder of the workflow, with ``config/recipes``.
    here : working folder; relative paths of the configuration start here. A sample sheet that is
        not there is looked for in ``root``.
    again : whether this is the plan of a job, whose run has checked all simulations.

    Raises
    ------
    UserError : the configuration or the sample sheet as a whole cannot be used.
    """
    chosen = Configuration.of_workflow(config)
    sheet = here / Path(chosen.datasets).expanduser()
    if not sheet.exists() and (root / chosen.datasets).exists():
        sheet = root / chosen.datasets
    folders = [sheet.parent / "recipes", root / "config" / "recipes"]
    if chosen.recipes:
        folders.insert(1, here / Path(chosen.recipes).expanduser())
        if not folders[1].is_dir():
            raise UserError("the folder of recipes is missing", file=chosen.recipes)
    rows, problems = read_sheet(sheet, simulations=not again)
    recipes: dict[str, Recipe] = {}
    failed: dict[str, UserError] = {}
    usable = {}
    for row in rows:
        if row.recipe not in recipes and row.recipe not in failed:
            try:
                recipes[row.recipe] = resolve_recipe(row.recipe, folders)
            except UserError as error:
                failed[row.recipe] = error
        if row.recipe in failed:
            text = message(sheet, row.line, row.dataset, failed[row.recipe])
            problems.append(Problem(row.line, row.dataset, text))
        else:
            usable[row.dataset] = row
    results = Path(chosen.results)
    if results == Path():
        results = here  # Snakemake warns of every path that begins with `./`
    return Plan(
        sheet=sheet,
        results=results,
        rows=usable,
        recipes=recipes,
        problems=sorted(problems, key=lambda problem: problem.line),
        fingerprints=Fingerprints(here / results / ".fingerprints"),
        exports=chosen.formats(),
        usual_reports=chosen.reports,
    )
