"""Write the methods of one run for a paper, with its numbers and references."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from vaescope.models import zoo
from vaescope.models.settings import ModelSettings
from vaescope.report import prose
from vaescope.report.cite import citation
from vaescope.report.references import Reference, chosen, references
from vaescope.results.facts import Judgement
from vaescope.sites.kinds import Numbers, kind_of

if TYPE_CHECKING:
    from jinja2 import Template

_CITATION = re.compile(r" \[@([a-z0-9@; ]+)\]")
"""Works cited in the template and by kinds of sites, as ` [@smith2001; @jones2002]`."""
_PACKAGES = ("torch", "numpy", "scipy", "scikit-image", "scikit-learn", "rosettasciio")


@dataclass(frozen=True)
class Methods:
    """Paragraphs with numbers in brackets, and the references that the numbers stand for."""

    paragraphs: list[str]
    references: list[Reference]

    @property
    def plain(self) -> str:
        """Join paragraphs and references to one text."""
        listed = "\n".join(f"[{k}] {each.text}." for k, each in enumerate(self.references, 1))
        return "\n\n".join([*self.paragraphs, "References\n" + listed])

    @property
    def bibtex(self) -> str:
        """The references as a BibTeX file, vaescope's own entry first."""
        return "\n\n".join([citation().bibtex, *(each.bibtex for each in self.references)])


def methods(
    facts: Judgement,
    recipe: dict[str, Any],
    labels: dict[str, str] | None = None,
    search: dict[str, Any] | None = None,
) -> Methods:
    """Write the text for one run, by ``templates/methods.txt``.

    Parameters
    ----------
    facts : of the dataset.
    recipe : the resolved recipe.
    labels : each model in words (``label`` of its latents), by name.
    search : attributes of ``explore.zarr``, where there is one.
    """
    numbers: dict[str, dict[str, float]] = {}
    for score in facts.scores:
        numbers.setdefault(score.about, {})[score.name] = score.value
    found = numbers.get("sites", {})
    kind, own = kind_of(recipe.get("sites"))
    # Where there is no site nothing was trained.
    settings = (recipe.get("models") or {}) if found.get("sites_found", 1) else {}
    of_models = [(name, numbers.get(name, {})) for name in settings]
    codes = dict.fromkeys(code for code in facts.stores.values() if code)
    versions = [f"{name} {facts.packages[name]}" for name in _PACKAGES if name in facts.packages]
    text = _template(facts.data).render(
        data=facts.data,
        preprocessing=prose.preprocessing((recipe.get("ingest") or {}).get("preprocess") or {}),
        sites=kind.methods(own, _numbers_of_sites(found, facts.data)),
        placed=kind.traits.placed,
        patches=_given(recipe.get("patches")),
        found=found,
        models=[
            _model(name, settings[name], numbers, (labels or {}).get(name))
            for name, numbers in of_models
        ],
        numbers_of_models=of_models,
        prediction=_given(recipe.get("prediction")),
        members=int((recipe.get("ensemble") or {}).get("members", 1)),
        seed=recipe.get("seed", 0),
        strain=[name.removeprefix("strain: ") for name in numbers if name.startswith("strain: ")],
        search=_search(recipe, search, numbers),
        code=", ".join(codes) or facts.code_version,
        versions=", ".join(versions),
    )
    keys: list[str] = []

    def numbered(named: re.Match[str]) -> str:
        cited = named[1].split("; @")
        if not set(cited) <= references().keys():
            return named[0]  # the name of a file, perhaps
        keys.extend(key for key in cited if key not in keys)
        return " [" + ", ".join(str(keys.index(key) + 1) for key in cited) + "]"

    text = _CITATION.sub(numbered, text)
    # No-break spaces stand in numbers and stay.
    paragraphs = [re.sub(r"[ \n]+", " ", part).strip() for part in re.split(r"\n[ \n]*\n", text)]
    return Methods([part for part in paragraphs if part], chosen(keys))


def _search(
    recipe: dict[str, Any], search: dict[str, Any] | None, numbers: dict[str, dict[str, float]]
) -> dict[str, Any] | None:
    """What the text says of a search; None where there is none."""
    if search is None:
        return None
    own = dict(recipe.get("explore") or {})
    evaluations = int(numbers.get("search", {}).get("evaluations", 0))
    model = own.get("model") or next(iter(recipe.get("models") or {}), "")
    if not own.get("acquisition"):
        own["acquisition"] = "logei" if own.get("method") == "bo" else "variance"
    return {**own, **search, "model": model, "evaluations": evaluations}


def _template(data: dict[str, Any]) -> Template:
    """Load the text; it is no HTML yet, so nothing in it is escaped."""
    from jinja2 import Environment, PackageLoader

    made = Environment(loader=PackageLoader("vaescope.report"), autoescape=False)
    made.filters |= {
        "number": prose.number,
        "percent": prose.percent,
        "size": lambda pixels: prose.size_in_words(data, float(pixels or "nan")),
    }
    return made.get_template("methods.txt")


def _model(
    name: str, settings: dict[str, Any] | None, found: dict[str, float], label: str | None
) -> dict[str, Any]:
    """Collect the settings of one model and the numbers of its run."""
    given = _given(settings)
    variant = str(given.get("variant", "rvae"))
    whole = asdict(ModelSettings()) | zoo.VARIANTS.get(variant, {}) | given | {"variant": variant}
    return {
        **whole,
        "name": name,
        "classes": "auto" if whole["classes"] == "auto" else int(whole["classes"] or 0),
        "classes_supported": int(found.get("classes_supported", 0))
        or int(found.get("classes_supported_at_least", 0)),
        "kind": label or zoo.label(whole),
        "latent": int(found.get("latents") or whole["latent"]),
        "steps": found.get("training_steps") or whole["steps"],
        "epochs": found.get("training_epochs"),
    }


def _numbers_of_sites(found: dict[str, float], data: dict[str, Any]) -> Numbers:
    nothing = float("nan")
    tracks = found.get("atoms_followed")
    return Numbers(
        sites=prose.number(int(found.get("sites_found", 0))),
        patches=prose.number(int(found.get("patches", found.get("spectra", 0)))),
        spacing=prose.size_in_words(data, found.get("spacing_px", nothing)),
        error=prose.size_in_words(data, found.get("coordinate_error_px", nothing)),
        tracks="" if tracks is None else prose.number(int(tracks)),
    )


def _given(settings: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (settings or {}).items() if value is not None}
