"""The two plots of the explorer, made with Bokeh and filled by the browser."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from vaescope.figures.style import FAINT, INK

IMAGE, LATENT = "explorer-image", "explorer-latent"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


@cache
def library() -> str:
    """Read BokehJS from the package; no other part of it is needed."""
    from bokeh.util.paths import bokehjs_path

    return (Path(bokehjs_path()) / "js" / "bokeh.min.js").read_text(encoding="utf-8")


def plot_items() -> list[dict[str, Any]]:
    """Make the documents from which BokehJS draws both plots, the same every time.

    Each has, from the back: ``picture`` (the image), ``density`` (sites too many for
    marks), ``rest`` and ``points`` (sites outside and inside the selection), ``ring`` (the site
    under the cursor) and ``cross`` (the place whose picture is generated).
    """
    return [_item(_plot(IMAGE), IMAGE), _item(_plot(LATENT), LATENT)]


def _plot(name: str) -> Any:
    from bokeh.models import (
        BoxSelectTool,
        LassoSelectTool,
        PanTool,
        Range1d,
        ResetTool,
        WheelZoomTool,
    )
    from bokeh.plotting import figure

    # The browser sorts out what lies inside a box or lasso: a site may have no mark of its own.
    box = BoxSelectTool(renderers=[], description="Select in a box")
    lasso = LassoSelectTool(renderers=[], continuous=False, description="Select with a lasso")
    tools = [
        box,
        lasso,
        PanTool(),
        WheelZoomTool(),
        ResetTool(),
    ]
    plot = figure(
        name=name,
        tools=tools,
        active_drag=box,
        active_scroll=None,
        x_range=Range1d(start=0, end=1),
        # Rows of an image count from the top.
        y_range=Range1d(start=1, end=0) if name == IMAGE else Range1d(start=0, end=1),
        sizing_mode="stretch_both",
        min_width=180,
        min_height=180,
        toolbar_location="above",
        output_backend="canvas",
        background_fill_color="#ffffff",
        border_fill_color="#ffffff",
        outline_line_color="#c3c8d1",
        lod_threshold=None,
    )
    plot.toolbar.logo = None
    plot.grid.grid_line_color = None if name == IMAGE else "#eef0f4"
    plot.axis.axis_label_text_font_style = "normal"
    for axis in plot.axis:
        axis.axis_label_text_font = axis.major_label_text_font = _FONT
        axis.axis_label_text_font_size = "12px"
        axis.axis_label_text_color = axis.major_label_text_color = INK
        axis.axis_line_color = axis.major_tick_line_color = FAINT
        axis.minor_tick_line_color = None
    plot.xaxis.name, plot.yaxis.name = "x", "y"
    _glyphs(plot)
    return plot


def _glyphs(plot: Any) -> None:
    from bokeh.models import ColumnDataSource

    for layer in ("picture", "density"):
        data: dict[str, list] = {key: [] for key in ("image", "x", "y", "dw", "dh")}
        plot.image_rgba(
            image="image",
            x="x",
            y="y",
            dw="dw",
            dh="dh",
            source=ColumnDataSource(data, name=layer),
            name=layer,
            level="underlay" if layer == "picture" else "glyph",
        )
    for layer in ("rest", "points"):
        source = ColumnDataSource({"x": [], "y": [], "colour": []}, name=layer)
        if layer == "points":
            # Behind rings, so that dark colours are seen on a dark image.
            plot.scatter(
                "x",
                "y",
                fill_color=None,
                line_color="#ffffff",
                line_alpha=0.75,
                line_width=4.4,
                size=5,
                source=source,
                name="casing",
                visible=False,
            )
        plot.scatter(
            "x",
            "y",
            fill_color="colour",
            line_color=None,
            line_width=0.7,
            size=5,
            source=source,
            name=layer,
        )
    for layer, marker, size in (("ring", "circle", 13), ("cross", "cross", 16)):
        for width, colour in ((4, "#ffffff"), (2, "#D55E00")):
            plot.scatter(
                "x",
                "y",
                marker=marker,
                fill_color=None,
                line_color=colour,
                line_width=width,
                size=size,
                source=ColumnDataSource({"x": [], "y": []}, name=f"{layer}-{width}"),
                name=f"{layer}-{width}",
            )


def _item(plot: Any, target: str) -> dict[str, Any]:
    """A plot as BokehJS embeds it, with names that do not depend on what was made before it."""
    import bokeh
    from bokeh.core.json_encoder import serialize_json
    from bokeh.document import Document

    document = Document()
    document.add_root(plot)
    # Once through JSON: what Bokeh gives has objects of its own in it.
    contents = json.loads(serialize_json(document.to_json()))
    names: dict[str, str] = {}
    _collect(contents, names, target)
    return {
        "target_id": target,
        "root_id": names[plot.id],
        "doc": _renamed(contents, names),
        "version": bokeh.__version__,
    }


def _collect(value: Any, names: dict[str, str], prefix: str) -> None:
    if isinstance(value, dict):
        found = value.get("id")
        if isinstance(found, str) and re.fullmatch(r"p\d+", found):
            names.setdefault(found, f"{prefix}-{len(names)}")
        for item in value.values():
            _collect(item, names, prefix)
    elif isinstance(value, list):
        for item in value:
            _collect(item, names, prefix)


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: names.get(item, item) if key == "id" and isinstance(item, str) else item
            for key, item in ((key, _renamed(item, names)) for key, item in value.items())
        }
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    return value
