"""Cite vaescope itself, from CITATION.cff."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import vaescope
from vaescope import store

FILE = Path(vaescope.__file__).parents[2] / "CITATION.cff"
"""Beside the package in a checkout; an installed wheel has none."""


@dataclass(frozen=True)
class Citation:
    """An entry of a list of references, as text and as BibTeX."""

    text: str
    bibtex: str


@cache
def citation(file: Path = FILE) -> Citation:
    """Make the entry of the running version, with the digest of its source files."""
    facts = _read(file)
    version = str(facts.get("version") or vaescope.__version__)
    authors = [_name(person) for person in facts.get("authors") or []] or ["vaescope developers"]
    title = str(facts.get("title") or "vaescope")
    year = str(facts.get("date-released") or "")[:4]
    address = str(facts.get("doi") or facts.get("repository-code") or facts.get("url") or "")
    text = f"{', '.join(authors)}, {title}, version {version}"
    text += f" ({year})" if year else ""
    text += f", code {store.code_version()}"
    text += f", {address}" if address else ""
    fields = {
        "author": " and ".join(f"{{{name}}}" if " " in name else name for name in authors),
        "title": f"{{{title}}}",
        "version": version,
        **({"year": year} if year else {}),
        **({"license": str(facts["license"])} if facts.get("license") else {}),
        **({"doi" if facts.get("doi") else "url": address} if address else {}),
        "note": f"code {store.code_version()}",
    }
    key = "vaescope-" + re.sub(r"[^0-9A-Za-z.]+", "-", version)
    # By hand: the writers of bibtexparser and pybtex escape what stands in a DOI or an address.
    rows = ",\n".join(
        f"  {name} = {{{value if name in ('doi', 'url') else _tex(value)}}}"
        for name, value in fields.items()
    )
    return Citation(text + ".", f"@software{{{key},\n{rows}\n}}")


def _tex(text: str) -> str:
    return re.sub(r"([&%#_$])", r"\\\1", text)


def _read(file: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _name(person: dict[str, Any]) -> str:
    given = [str(person[key]) for key in ("given-names", "family-names") if person.get(key)]
    return " ".join(given) or str(person.get("name") or person.get("alias") or "anonymous")
