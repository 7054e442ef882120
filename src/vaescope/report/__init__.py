"""Reports: self-contained pages per dataset and one index of all of them.

The pages open offline from any disk, ask nothing of any server, run no script but their own, and
show every name and note as text, whatever it contains.
"""

from vaescope.report.comparison import write_comparison
from vaescope.report.dataset import write_report
from vaescope.report.index import write_index

__all__ = ["write_comparison", "write_index", "write_report"]
