"""References of the methods, read from ``references.bib``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("references.bib")


@dataclass(frozen=True)
class Reference:
    """One work: ``authors`` as "A. Name" each, "others" for those left out; ``where`` journal,
    volume (year) page; ``bibtex`` its entry as it stands in the file."""

    key: str
    authors: tuple[str, ...]
    title: str
    where: str
    year: int
    doi: str
    bibtex: str

    @property
    def text(self) -> str:
        """The entry of a list of references."""
        *first, last = self.authors
        if len(self.authors) > 5:
            who = f"{self.authors[0]} et al."
        else:
            who = f"{', '.join(first)} and {last}" if first else last
        end = f", doi:{self.doi}" if self.doi else ""
        return f"{who}, {self.title}, {self.where}{end}"


@cache
def references() -> dict[str, Reference]:
    """All works that the text of methods may name, by key."""
    import bibtexparser
    from bibtexparser.middlewares import LatexDecodingMiddleware, SeparateCoAuthors

    library = bibtexparser.parse_file(
        str(FILE), append_middleware=[SeparateCoAuthors(), LatexDecodingMiddleware()]
    )
    assert not library.failed_blocks, library.failed_blocks
    made = {}
    for entry in library.entries:
        field = {name: one.value for name, one in entry.fields_dict.items()}
        venue = field.get("journal") or field["booktitle"]
        parts = [venue, field.get("volume"), f"({field['year']})", field.get("pages")]
        made[entry.key] = Reference(
            entry.key,
            tuple(_given_name_first(name) for name in field["author"]),
            field["title"],
            " ".join(filter(None, parts)),
            int(field["year"]),
            field.get("doi", ""),
            entry.raw or "",
        )
    return made


def chosen(keys: Iterable[str]) -> list[Reference]:
    """Take the references of these keys, each once, in the order in which they come."""
    return [references()[key] for key in dict.fromkeys(keys)]


def _given_name_first(name: str) -> str:
    """Write ``van den Bos, A.`` as ``A. van den Bos``."""
    family, _, given = name.partition(", ")
    return f"{given} {family}".strip()
