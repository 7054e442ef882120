"""The explorer of the report at many sites: bytes, time and memory to write, time to open.

    python benchmarks/explorer.py [SITES ...]     (10000 and 100000 by default)

Makes results with two models of eight members (28 × 28 patches with noise, one with classes),
writes the explorer into a page of its own as the report has it, and opens that in headless Chromium
without a GPU. "Ready" is when both plots are drawn, the first patch is shown and every control
works; "brush" from the end of a box over part of the plane until the selection is drawn.
"""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

from vaescope import store
from vaescope.ensemble.planes import decode_planes
from vaescope.results import Results

SIDE, MEMBERS, CLASSES, SPACING = 28, 8, 4, 10
MODELS = ("rvae", "jrvae")
DRAWN = """() => new Promise((done) => {
    const status = document.getElementById('explorer-status');
    const look = () => requestAnimationFrame(status.textContent.includes('none') ? look : done);
    look();
})"""
"""Ends in the frame after the selection is counted; the page's policy forbids
``wait_for_function``, which evaluates text."""


def make(folder: Path, count: int) -> None:
    """Stores of one image with ``count`` sites, as the workflow leaves them."""
    rng = np.random.default_rng(0)
    across = int(np.ceil(np.sqrt(count)))
    y, x = (np.mgrid[:across, :across].reshape(2, -1)[:, :count] + 0.5) * SPACING
    height = width = across * SPACING
    grid = np.mgrid[:height, :width] % SPACING - SPACING / 2
    image = np.exp(-(grid**2).sum(0) / 8).astype(np.float32)
    image += rng.normal(0, 0.15, image.shape).astype(np.float32)
    common = {"pixel_size": 0.02, "pixel_unit": "nm", "calibrated": True, "spacing": SPACING}
    whole = xr.Dataset(
        {"image": (("time", "channel", "y", "x"), image[None, None])},
        coords={"channel": ["HAADF"], "time": [0]},
        attrs=common,
    )
    store.write(whole, folder / "image.zarr")
    number = {"site": np.arange(count)}
    place = {name: ("site", v) for name, v in (("y", y), ("x", x))}
    place["frame"] = ("site", np.zeros(count, int))
    fitted = ("amplitude", "width", "background", "y_error", "x_error", "fit_quality", "score")
    fit = {name: ("site", rng.gamma(9, 0.1, count)) for name in fitted}
    fit["near_edge"] = ("site", np.zeros(count, bool))
    sites = xr.Dataset(place | fit, number, common | {"method": "log"})
    store.write(sites, folder / "sites.zarr")
    # Neighbours as bright as latents say, on noise: what packs badly.
    content = rng.normal(0, 1, (count, 2)) + 2 * rng.integers(0, 2, (count, 1))
    axis = np.linspace(-1.5, 1.5, SIDE)
    basis = np.stack([np.cos(2 * np.pi * axis)[:, None] + np.cos(2 * np.pi * axis)[None]] * 3)
    basis[1] *= axis[:, None] > 0
    basis[2] *= axis[None] > 0

    def draw(points: np.ndarray, told: np.ndarray | None = None) -> np.ndarray:
        weight = np.column_stack([np.ones(len(points)), 0.2 * points]).astype(np.float32)
        return np.einsum("pk,kyx->pyx", weight, basis.astype(np.float32))[:, None]

    drawn = draw(content) + rng.normal(0, 0.02, (count, 1, 1, 1)).astype(np.float32)
    noise = rng.normal(0, 0.4, drawn.shape).astype(np.float32)
    shape = ("site", "channel", "py", "px")
    patches = xr.Dataset(place | {"patch": (shape, drawn + noise)}, number, common)
    store.write(patches, folder / "samples.zarr")
    for model in MODELS:
        held = _latents(rng, content, place, number, model == "jrvae")
        held["reconstruction"] = (shape, drawn)
        held = held.assign(decode_planes(content, draw, None, shape[1:]))
        store.write(held.assign_attrs(common | held.attrs), folder / model / "latents.zarr")


def _latents(rng, content, place, number, classes: bool) -> xr.Dataset:
    count, data = len(content), dict(place)
    sizes = {"content": ("latent", 2), "offset": ("axis", 2), "strain": ("component", 3)}
    for name, (axis, width) in {**sizes, "angle": ("", 0)}.items():
        dims, shape = (("site", axis), (count, width)) if axis else (("site",), (count,))
        value = content if name == "content" else rng.normal(0, 0.3, shape)
        each = value + rng.normal(0, 0.1, (MEMBERS, *shape))
        data[f"consensus_{name}"], data[f"{name}_spread"] = (dims, value), (dims, abs(each[0]))
        data[name] = (("member", *dims), each)
        data[f"{name}_sd"] = (("member", *dims), rng.gamma(9, 0.01, each.shape))
    data["residual"] = ("site", rng.gamma(50, 0.02, count))
    data["explained"] = ("site", data["residual"][1] < 1.5)
    data["predictive_p"] = ("site", rng.random(count))
    data["mode"] = ("site", rng.integers(-1, 5, count))
    if classes:
        chance = rng.dirichlet(np.full(CLASSES, 0.1), (MEMBERS, count))
        mean = chance.mean(0)
        data["class_probability"] = (("member", "site", "class"), chance)
        data["consensus_class_probability"] = (("site", "class"), mean)
        data["consensus_class"] = ("site", mean.argmax(1))
        data["class_entropy"] = ("site", -(mean * np.log(np.maximum(mean, 1e-12))).sum(1))
    kept = {"members_kept": list(range(MEMBERS)), "symmetry": 4, "label": "made up"}
    return xr.Dataset(data, number, kept)


def write(results: str, dataset: str, answer) -> None:
    """Write the page in a process of its own, whose memory is then all the explorer's."""
    from vaescope import explorer
    from vaescope.figures.settings import Look
    from vaescope.report.pages import environment

    started = time.perf_counter()
    made = explorer.build(Results(Path(results) / dataset), list(MODELS), Look())
    template = environment().from_string(
        '{% extends "base.html" %}{% import "explorer.html" as explore %}'
        "{% block title %}explorer{% endblock %}"
        "{% block policy %}{{ explorer.policy | safe }}{% endblock %}"
        "{% block style %}{{ explorer.style | safe }}{% endblock %}"
        '{% block body %}<main id="main">{{ explore.view(explorer) }}</main>{% endblock %}'
        "{% block scripts %}{{ explore.data(explorer) }}{% endblock %}"
    )
    page = template.render(
        explorer=made, code_version=store.code_version(), script_policy="", scripts=[]
    )
    store.write_text(page, Path(results) / dataset / "explorer.html")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    answer.put((time.perf_counter() - started, peak, made.notes))


def open_page(file: Path) -> tuple[float, float, float]:
    """Seconds to the first paint, until ready, and for a brush."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.goto(file.as_uri(), wait_until="commit")
        page.wait_for_selector("#explorer-root[data-ready]", timeout=300_000)
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        ready = page.evaluate("Number(document.getElementById('explorer-root').dataset.ready)")
        first = page.evaluate(paint)
        page.evaluate("document.getElementById('explore').scrollIntoView({ behavior: 'instant' })")
        box = page.locator("#explorer-latent").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
        started = time.perf_counter()
        page.mouse.up()
        page.evaluate(DRAWN)
        brush = time.perf_counter() - started
        browser.close()
    return first / 1000, ready / 1000, brush


def main() -> None:
    counts = [int(text) for text in sys.argv[1:]] or [10_000, 100_000]
    print("sites | page (MB) | written (s) | memory (MB) | first paint (s) | ready (s) | brush (s)")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder) / "many", count)
            answer: multiprocessing.Queue = multiprocessing.get_context("spawn").Queue()
            job = multiprocessing.get_context("spawn").Process(
                target=write, args=(folder, "many", answer)
            )
            job.start()
            seconds, peak, notes = answer.get()
            job.join()
            file = Path(folder) / "many" / "explorer.html"
            size = file.stat().st_size / 1e6
            first, ready, brush = open_page(file)
        told = (f"{count}", f"{size:.1f}", f"{seconds:.1f}", f"{peak:.0f}", f"{first:.2f}")
        print(" | ".join([*told, f"{ready:.2f}", f"{brush:.2f}"]), flush=True)
        for note in notes:
            print(f"    {note}")


if __name__ == "__main__":
    main()
