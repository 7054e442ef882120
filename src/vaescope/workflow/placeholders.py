"""What stands in the place of results of a dataset without a site: nothing is trained or mapped.

That nothing was found is a result, which the report gives; so the jobs in between leave empty
outputs, each with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vaescope import store
from vaescope.results import layout

NOTE = "EMPTY.txt"
"""File that says why a folder is empty."""
WHY = "No site was found in this dataset, so nothing was trained, mapped or compared.\n"
_FILES = {".csv": "", ".json": "{}\n", ".html": f"<!doctype html>\n<p>{WHY.strip()}</p>\n"}


def leave(outputs: Iterable[str | Path]) -> None:
    """Write placeholders in place of outputs: folders that hold a note alone, empty tables."""
    for output in map(Path, outputs):
        if output.suffix in _FILES:
            store.write_text(_FILES[output.suffix], output)
            continue
        with store.replace_atomically(output) as beside:
            Path(beside).mkdir(parents=True, exist_ok=True)
            (Path(beside) / NOTE).write_text(WHY, encoding="utf-8")


def is_placeholder(folder: str | Path) -> bool:
    """Whether a folder of results is one."""
    return (Path(folder) / NOTE).is_file()


def filled(folder: Path, models: Iterable[str]) -> list[str]:
    """Those of some models of a dataset's folder that have maps, no placeholders."""
    kept = [(name, folder / layout.LATENTS.format(model=name)) for name in models]
    return [name for name, latents in kept if not is_placeholder(latents)]
