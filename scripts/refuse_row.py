"""Report why a row of the sample sheet is refused (rule refuse_row), and fail."""

import sys
from pathlib import Path

Path(snakemake.log[0]).write_text(snakemake.params.message + "\n", encoding="utf-8")
sys.exit(snakemake.params.message)
