"""Documents made from the settings: the JSON schemas, and the tables of `config/README.md`.

`make docs` writes them (`python -m vaescope.workflow.reference`).
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from vaescope.learned.settings import DetectorSettings
from vaescope.models.settings import ModelSettings
from vaescope.recipes import Recipe
from vaescope.settings import Settings, schema_of, table_of
from vaescope.settings.fields import part_of_settings, settings_of
from vaescope.settings.schema import DRAFT
from vaescope.workflow.settings import Configuration

COMMAND = "make docs"
README = Path("config", "README.md")
SCHEMAS = Path("workflow", "schemas")
_HEAD = f"# Made by `{COMMAND}` from the settings of the library: do not edit.\n"
_TABLE = re.compile(r"(<!-- settings: (\S+) -->\n)(.*?)(<!-- end of settings -->)", re.DOTALL)


class _Dumper(yaml.SafeDumper):
    """YAML without anchors, which would stand for lists that several settings share."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def documents(root: Path) -> dict[Path, str]:
    """Every document as it should be, by its path relative to the folder of the repository.

    Parameters
    ----------
    root : folder of the repository; of its `config/README.md` only the tables are new.
    """
    return {
        SCHEMAS / "config.schema.yaml": _schema(
            Configuration,
            "Keys of config/config.yaml and of `--config`; config/README.md explains them.",
        ),
        SCHEMAS / "recipe.schema.yaml": _schema(
            Recipe, "A recipe; config/README.md explains its keys."
        ),
        README: with_tables((root / README).read_text(encoding="utf-8")),
    }


def with_tables(text: str) -> str:
    """A page with each table between its marks made anew."""
    tables = _tables()
    return _TABLE.sub(lambda found: f"{found[1]}\n{tables[found[2]]}\n\n{found[4]}", text)


def write(root: Path) -> list[Path]:
    """Write the documents that are out of step; gives their paths."""
    changed = [
        path
        for path, text in documents(root).items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]
    for path, text in documents(root).items():
        if path in changed:
            (root / path).write_text(text, encoding="utf-8")
    return changed


def _schema(kind: type[Settings], description: str) -> str:
    schema = {"$schema": DRAFT, **schema_of(kind, description=description)}
    return _HEAD + yaml.dump(schema, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _tables() -> dict[str, str]:
    """The tables by the names in their marks: `config`, `recipe`, and one for each of its parts."""
    parts = {name: part_of_settings(each.hint) for name, each in settings_of(Recipe).items()}
    own = {name: part for name, part in parts.items() if part is not None}
    own["models"] = ModelSettings
    tables = {"config": table_of(Configuration), "detector": table_of(DetectorSettings)}
    tables["recipe"] = table_of(Recipe, leave_out=own)
    return tables | {name: table_of(part, leave_out=("detector",)) for name, part in own.items()}


if __name__ == "__main__":
    for written in write(Path.cwd()):
        print(f"written: {written}")
