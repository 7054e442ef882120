"""The plan of a run: which datasets with which resolved recipes, and which rows are refused."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaescope import recipes as recipes_of
from vaescope.errors import UserError, suggestion
from vaescope.results import layout
from vaescope.settings import merge, read_yaml
from vaescope.sites.kinds import KINDS
from vaescope.workflow.fingerprints import Fingerprints
from vaescope.workflow.sheet import Problem, Row, message, read_sheet

CLUSTERS = 4
"""That classical methods are told where neither the recipe nor a model of it says how many."""


@dataclass
class Plan:
    """Everything that the rules ask about; made once per process, without opening any store."""

    sheet: Path
    results: Path
    rows: dict[str, Row]
    recipes: dict[str, dict[str, Any]]
    problems: list[Problem]
    fingerprints: Fingerprints = field(repr=False)
    exports: list[str] = field(default_factory=list)

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

    def recipe(self, dataset: str) -> dict[str, Any]:
        """The resolved recipe of a dataset."""
        return self.recipes[self.row(dataset).recipe]

    def models(self, dataset: str) -> list[str]:
        """Names of the models of a dataset."""
        return list(self.recipe(dataset)["models"])

    def maps_strain(self, dataset: str) -> bool:
        """Whether the sites of a dataset are atoms, between which strain can be measured."""
        return KINDS[self.recipe(dataset)["sites"]["method"]].traits.atoms

    def strained(self, dataset: str) -> list[str]:
        """Names of the models of a dataset that have strain."""
        models = self.recipe(dataset)["models"]
        return [name for name, settings in models.items() if settings["strain"]]

    def model(self, dataset: str, model: str) -> dict[str, Any]:
        """Settings of one model of a dataset."""
        models = self.recipe(dataset)["models"]
        if model not in models:
            raise UserError(
                f"dataset `{dataset}` has no model `{model}`",
                expected="one of " + ", ".join(models),
            )
        return models[model]

    def physics(self, dataset: str, model: str) -> str:
        """What changes when the user's own term of a model does; empty where there is none."""
        given = self.model(dataset, model).get("physics_loss")
        if not given:
            return ""
        return self.fingerprints.of([Path(given.rpartition(":")[0])], given)

    def baselines(self, dataset: str) -> dict[str, Any]:
        """Settings of the classical methods: told as many clusters as the models are of classes,
        and shown the pixels that the models are."""
        recipe = self.recipe(dataset)
        models = recipe["models"].values()
        classes = max(int(model["classes"]) for model in models)
        clusters = recipe["baselines"]["clusters"] or classes or CLUSTERS
        return {
            **recipe["baselines"],
            "clusters": clusters,
            "disc": any(bool(model["rotation"]) for model in models),
        }

    def detector(self, dataset: str) -> str | None:
        """Name of the learned detector that a dataset needs; None if it needs none."""
        given = self.recipe(dataset)["sites"].get("detector")
        return _digest(given) if given else None

    def detector_settings(self, detector: str) -> dict[str, Any]:
        """Settings of a learned detector that some dataset needs."""
        for recipe in self.recipes.values():
            given = recipe["sites"].get("detector")
            if given and _digest(given) == detector:
                return given
        raise UserError("no dataset needs this detector", found=repr(detector))

    def jobs(self, dataset: str) -> int:
        """Number of jobs over which the members of an ensemble are spread."""
        ensemble = self.recipe(dataset)["ensemble"]
        return max(1, min(ensemble["jobs"], ensemble["members"]))

    def trainings(self) -> int:
        """Number of training jobs of all datasets."""
        return sum(len(self.models(dataset)) * self.jobs(dataset) for dataset in self.rows)

    def members(self, dataset: str, part: int) -> list[int]:
        """Members that one of these jobs trains."""
        count, jobs = self.recipe(dataset)["ensemble"]["members"], self.jobs(dataset)
        return list(range(count * part // jobs, count * (part + 1) // jobs))

    def exported(self, formats: Sequence[str] = tuple(layout.EXPORTS)) -> list[str]:
        """What is exported, as paths with ``{dataset}``: of these formats, those wanted."""
        chosen = [name for name in formats if name in self.exports]
        return [layout.pattern(path) for name in chosen for path in layout.EXPORTS[name]]

    def seed(self, dataset: str) -> int:
        """Seed of a dataset's random numbers."""
        return self.recipe(dataset)["seed"]

    def files(self, dataset: str) -> list[Path]:
        """Source files of a dataset, sorted; a plain name is given back even if it is missing."""
        row = self.row(dataset)
        if row.simulation is not None:
            return []
        path = self.sheet.parent / Path(row.source).expanduser()
        if not path.exists() and re.search(r"[*?\[]", row.source):
            return sorted(Path(found) for found in glob.glob(str(path), recursive=True))
        return [path]

    def preprocessing_files(self, dataset: str) -> dict[str, str]:
        """Files that the recipe's preprocessing reads, by setting."""
        preprocess = self.recipe(dataset)["ingest"]["preprocess"]
        return {
            key: preprocess[key] for key in recipes_of.PREPROCESSING_FILES if preprocess.get(key)
        }

    def fingerprint(self, dataset: str) -> list[str]:
        """What changes when the source does, or a file that its preprocessing reads."""
        row = self.row(dataset)
        if row.simulation is not None:
            source = f"{row.source}, seed {self.seed(dataset)}"
        else:
            source = self.fingerprints.of(self.files(dataset), f"{dataset}: {row.source}")
        others = self.preprocessing_files(dataset).values()
        return [source, *(self.fingerprints.of([Path(file)], file) for file in others)]

    def ingest_settings(self, dataset: str) -> dict[str, Any]:
        """Settings of ``ingest`` without the places of files: their fingerprints stand for them."""
        ingest = self.recipe(dataset)["ingest"]
        names = {key: Path(file).name for key, file in self.preprocessing_files(dataset).items()}
        return merge(ingest, {"preprocess": names})

    def source_mb(self, dataset: str) -> float:
        """Size of the source in MB (10⁶ bytes); 0 where it is simulated or missing."""
        return sum(file.stat().st_size for file in self.files(dataset) if file.is_file()) / 1e6

    def all_rows(self) -> list[dict[str, Any]]:
        """Usable rows for the index, each with its models and its detector, if it needs one."""
        rows = []
        for row in self.rows.values():
            detector = self.detector(row.dataset)
            more = {"detector": detector} if detector else {}
            rows.append(row.as_dict() | {"models": self.models(row.dataset)} | more)
        return rows

    def all_problems(self) -> list[dict[str, Any]]:
        """Refused rows for the index."""
        return [problem.as_dict() for problem in self.problems]


def _digest(detector: dict[str, Any]) -> str:
    """Name of a learned detector; what it needs is imported only where there is one."""
    from vaescope.sites.learned import DetectorSettings

    return DetectorSettings.of(detector).digest()


def make_plan(config: dict[str, Any], root: Path, here: Path) -> Plan:
    """Read sample sheet and recipes.

    Parameters
    ----------
    config : the workflow's configuration (see ``config/README.md``).
    root : folder of the workflow, with ``config/recipes`` and ``workflow/schemas``.
    here : working folder; relative paths of the configuration start here. A sample sheet that is
        not there is looked for in ``root``.

    Raises
    ------
    UserError : the configuration or the sample sheet as a whole cannot be used.
    """
    config = _checked(config, root)
    sheet = here / Path(config["datasets"]).expanduser()
    if not sheet.exists() and (root / config["datasets"]).exists():
        sheet = root / config["datasets"]
    folders = [sheet.parent / "recipes", root / "config" / "recipes"]
    if config.get("recipes"):
        folders.insert(1, here / Path(config["recipes"]).expanduser())
        if not folders[1].is_dir():
            raise UserError("the folder of recipes is missing", file=config["recipes"])
    schema = read_yaml(root / "workflow" / "schemas" / "recipe.schema.yaml")
    rows, problems = read_sheet(sheet)
    recipes: dict[str, dict[str, Any]] = {}
    failed: dict[str, UserError] = {}
    usable = {}
    for row in rows:
        if row.recipe not in recipes and row.recipe not in failed:
            try:
                recipes[row.recipe] = recipes_of.resolve_recipe(row.recipe, folders, schema)
            except UserError as error:
                failed[row.recipe] = error
        if row.recipe in failed:
            text = message(sheet, row.line, row.dataset, failed[row.recipe])
            problems.append(Problem(row.line, row.dataset, text))
        else:
            usable[row.dataset] = row
    results = Path(config["results"])
    return Plan(
        sheet=sheet,
        results=results,
        rows=usable,
        recipes=recipes,
        problems=sorted(problems, key=lambda problem: problem.line),
        fingerprints=Fingerprints(here / results / ".fingerprints"),
        exports=_formats(config["export"]),
    )


def _formats(given: str | list[str]) -> list[str]:
    """The formats of ``export``, in the order of ``layout.EXPORTS``."""
    wanted = (
        list(layout.EXPORTS) if given == "all" else [given] if isinstance(given, str) else given
    )
    return [name for name in layout.EXPORTS if name in wanted]


def _checked(config: dict[str, Any], root: Path) -> dict[str, Any]:
    """The configuration with its defaults; other keys than ours may belong to other workflows."""
    schema = read_yaml(root / "workflow" / "schemas" / "config.schema.yaml")
    known = schema["properties"]
    for key in config:
        if key not in known and (hint := suggestion(key, known)):
            raise UserError(f"unknown key `{key}` in the configuration", remedy=hint)
    own = {key: value for key, value in config.items() if key in known}
    recipes_of.check(own, schema, file="config")
    return recipes_of.with_defaults(own, schema)
