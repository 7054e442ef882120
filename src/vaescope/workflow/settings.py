"""The configuration of a run, from `config/config.yaml` and `--config`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vaescope.errors import UserError, suggestion
from vaescope.recipes import Reports
from vaescope.results import layout
from vaescope.settings import Settings, setting
from vaescope.settings.fields import settings_of

LEFT_OUT: dict[Reports, tuple[str, ...]] = {
    "full": (),
    "light": ("run_baselines", "draw_figures", "write_comparison"),
    "none": ("run_baselines", "draw_figures", "write_comparison", "write_report"),
}
"""Rules that a run leaves out, by what is drawn and written of a dataset."""


@dataclass(frozen=True)
class Configuration(Settings):
    """Keys of `config/config.yaml` and of `--config`."""

    datasets: str = setting(
        "config/datasets.tsv",
        pattern=r"[^\x00-\x1f]+",
        help="sample sheet, relative to the working folder",
    )
    results: str = setting(
        "results",
        pattern=r"[^{}<>\x00-\x1f]+",
        help="folder of the results, relative to the working folder; its name has no braces and no"
        " angle brackets",
    )
    recipes: str | None = setting(
        None,
        help="folder of your own recipes; by default the folder `recipes` beside the sample sheet."
        " Your recipes take precedence over bundled ones of the same name",
    )
    export: str | list[str] = setting(
        ["table", "crate"],
        known=("all", *layout.EXPORTS),
        empty=True,
        help="what is exported of each finished dataset for other tools: `table` (`sites.csv`,"
        " everything known of every site, and `columns.csv`, which explains its columns), `napari`"
        " (`image.ome.zarr` and `points.csv`), `hyperspy` (`image.hspy`), `crate`"
        " (`ro-crate-metadata.json`); one, a list, `all`, or `[]` for nothing. `napari` and"
        " `hyperspy` copy the image. On the command line: `--config export=all` or"
        " `--config 'export=[table, napari]'`",
    )
    reports: Reports = setting(
        "full",
        help="what is drawn and written of each dataset: `full`, all figures and a report with an"
        " explorer and the comparison of classical methods; `light`, one page with the numbers, the"
        " findings and the three figures that carry the answer; `none`, neither figures nor a"
        " report: stores, `facts.json`, tables and exports alone. A recipe with `reports` of its"
        " own takes precedence. On the command line: `--config reports=light`",
    )
    dask_scheduler: str | None = setting(
        None,
        help="address of a `dask.distributed` scheduler for the preprocessing, such as"
        " `tcp://host:8786`; by default, threads of this machine are used",
    )

    @classmethod
    def of_workflow(cls, config: dict[str, Any]) -> Configuration:
        """The configuration from all keys of a workflow; those of others are passed over.

        Raises
        ------
        UserError : a key that resembles one of ours, or a value that cannot be used.
        """
        known = settings_of(cls)
        for key in config:
            if key not in known and (hint := suggestion(key, known)):
                raise UserError(f"unknown key `{key}` in the configuration", remedy=hint)
        own = {key: value for key, value in config.items() if key in known}
        return cls.of(own, file="config")

    def formats(self) -> list[str]:
        """The formats of ``export``, in the order of ``layout.EXPORTS``."""
        wanted = [self.export] if isinstance(self.export, str) else self.export
        return [name for name in layout.EXPORTS if name in wanted or "all" in wanted]
