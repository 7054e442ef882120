"""Names of what lies in the folders of results, spelled once.

``results/DATASET/`` holds the stores, tables and pages named here. Names with ``{model}`` lie in a
folder of each model. Rules, the plan, the record and all readers take them from here.
"""

from __future__ import annotations

IMAGE = "image.zarr"
SPECTRA = "spectra.zarr"
"""Only of datasets whose recipe reads spectra."""
SITES = "sites.zarr"
SITES_TABLE = "sites.csv"
SAMPLES = "samples.zarr"
PARTS = "{model}/parts/{part}"
MEMBERS = "{model}/members"
HISTORY = "{model}/history.csv"
LATENTS = "{model}/latents.zarr"
LATENTS_TABLE = "{model}/latents.csv"
SCORES = "{model}/scores.json"
MOVIE = "{model}/movie"
"""Of a movie, what became of its atoms; of an image, a store that says it is none."""
MOVIE_STORE = f"{MOVIE}/movie.zarr"
STRAIN = "strain.zarr"
STRAIN_TABLE = "strain.csv"
WALLS = "walls.zarr"
"""Only of datasets whose sites lie on domain walls."""
WALLS_TABLE = "walls.csv"
EXPLORED = "explore.zarr"
"""Only of datasets whose recipe has a search."""
BASELINES = "baselines.zarr"
BASELINES_SECONDS = "baselines-seconds.csv"
FACTS = "facts.json"
FIGURES = "figures"
LATEST = f"{FIGURES}/latest"
"""A copy of the newest version of the figures, under a stable name."""
LIGHT = f"{FIGURES}/light"
"""The same of a light report, which has a few figures; there is one of both."""
REPORT = "report.html"
COMPARISON = "comparison.html"
COMPARISON_TABLE = "comparison.csv"
EXPORT = "export"
CRATE = "ro-crate-metadata.json"
INDEX = "index.html"
"""Beside the folders of all datasets."""
DETECTORS = ".detectors"
"""Folder in the results with the learned detectors, which no dataset owns."""

EXPORTS = {
    "table": (f"{EXPORT}/sites.csv", f"{EXPORT}/columns.csv"),
    "napari": (f"{EXPORT}/image.ome.zarr", f"{EXPORT}/points.csv"),
    "hyperspy": (f"{EXPORT}/image.hspy",),
    "crate": (CRATE,),
}
"""What each format of ``export`` makes of a dataset."""
WORKFLOW = f"{EXPORT}/workflow"
"""Copy of the workflow that made the results, for their RO-Crate."""
RECIPE = f"{EXPORT}/recipe.yaml"

RESERVED_MODELS = frozenset(
    (
        FIGURES,
        "logs",
        "benchmarks",
        "failures",
        EXPORT,
        "baselines",
        "explore",
        "search",
        "neighbours",
        "gpa",
    )
)
"""Names beside the models' in ``results/DATASET``, the list of figures and ``strain.zarr``."""
STORED = (".zarr", ".csv", ".html", ".json")
"""Endings of what lies beside the models' folders in ``results/DATASET``."""


def pattern(name: str) -> str:
    """Write the path of something for the rules of the workflow, with their wildcards."""
    return f"<results>/{{dataset}}/{name}"
