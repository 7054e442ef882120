"""Reports: self-contained pages per dataset and one index of all of them.

The pages open offline from any disk, ask nothing of any server, run no script but their own, and
show every name and note as text, whatever it contains.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vaescope.report.comparison import write_comparison
    from vaescope.report.dataset import write_report
    from vaescope.report.index import write_index
    from vaescope.report.light import write_light_report

__all__ = ["write_comparison", "write_index", "write_light_report", "write_report"]

_FROM = {
    "write_comparison": "comparison",
    "write_index": "index",
    "write_light_report": "light",
    "write_report": "dataset",
}


if not TYPE_CHECKING:  # a type checker is to see what there is not

    def __getattr__(name: str) -> Any:
        """Import a page only when it is asked for: the index needs no arrays, the others do."""
        if name in _FROM:
            return getattr(import_module(f"vaescope.report.{_FROM[name]}"), name)
        raise AttributeError(f"module `vaescope.report` has no `{name}`")
