"""Map true categories beside classes, and where they differ."""

from __future__ import annotations

import numpy as np

from vaescope.figures.accuracy import contingency, matched, true_kinds
from vaescope.figures.colours import Coloured, of_model
from vaescope.figures.panels import BAR, TITLE, bare, polygons, scale_bar
from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, WIDTH, FinishedFigure, Sheet
from vaescope.figures.style import EMPTY, category_colours
from vaescope.results import ModelResults
from vaescope.text import percent

_MOST = 12  # kinds that colours can tell apart


def labelled_image(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """True kinds and classes in the same colours, and where they differ."""
    if not view.classes:
        return None
    word, kinds, names = true_kinds(scene, view)
    if not 2 <= len(names) <= _MOST:
        return None
    from matplotlib.colors import ListedColormap

    labels = view.values("consensus_class", everywhere=True).astype(int)
    table = contingency(labels, kinds, view.classes, len(names))
    _, accuracy = matched(table)
    # A class has the colour of the kind it is matched with, a surplus one a colour of its own.
    colour_of = colours_of_classes(table)
    count = max(len(names), int(colour_of.max()) + 1)
    colours = ListedColormap(category_colours(count))
    own = view.on_frame
    true = np.where(kinds[own] >= 0, kinds[own], np.nan).astype(float)
    found = colour_of[labels[own]].astype(float)
    wrong = np.where(np.isfinite(true), (true != found).astype(float), np.nan)
    aspect = scene.shape[0] / scene.shape[1]
    wide = min((WIDTH - 2 * MARGIN) / 3 - 0.2, 4.4 / aspect)
    high = wide * aspect
    rows_of_names = -(-count // 4)
    sheet = Sheet(
        scene,
        "The image labelled by the truth and by the classes",
        TITLE + high + BAR + 0.2 + 0.2 * rows_of_names,
        view=view,
        sites=len(own),
        notes=(f"{percent(accuracy)} agree", scene.frame_words),
    )
    difference = ListedColormap([EMPTY, "#c1272d"])
    panels = (
        (word, Coloured(word, true, colours, -0.5, count - 0.5)),
        ("class, in the colour of its match", Coloured("class", found, colours, -0.5, count - 0.5)),
        ("where they differ", Coloured("differ", wrong, difference, -0.5, 1.5)),
    )
    cells = scene.cells_of(view)
    for column, (title, quantity) in enumerate(panels):
        axes = sheet.axes(MARGIN + column * (wide + 0.3), TITLE, wide, high)
        axes.set_title(title)
        bare(axes, scene)
        polygons(axes, cells, quantity)
        scale_bar(axes, scene, wide)
    for k in range(count):
        row, column = divmod(k, 4)
        x, y = MARGIN + column * 2.4, TITLE + high + BAR + 0.28 + 0.2 * row
        mark = sheet.axes(x, y - 0.11, 0.12, 0.12)
        mark.set_facecolor(colours(k))
        mark.set(xticks=[], yticks=[])
        mark.spines[:].set_visible(False)
        name = names[k] if k < len(names) else "a class matched with no true category"
        sheet.text(x + 0.18, y, name, size=8.5)
    caption = (
        f"Left: the {word} of every site. Middle: the class that the ensemble assigns to it without"
        " any label; classes have the colours of the true categories, matched one to one."
        " Right: sites where the two differ (red)."
    )
    names_drawn = ("true_kind", "kind_of_class", "differs")
    for name, (_, quantity) in zip(names_drawn, panels, strict=True):
        sheet.figure_data.of_view(view, name, quantity.values)
    sheet.figure_data.quantities(view, (q for q in of_model(view) if q.name == "consensus_class"))
    sheet.figure_data.view(view, "consensus_class", "truth_phase", "truth_species", "truth_defect")
    return sheet.drawn("labelled-image", caption, view)


def colours_of_classes(table: np.ndarray) -> np.ndarray:
    """Number of the colour of each class: of the kind it is matched with one to one, or a new one.

    ``table`` : (kind, class) number of sites.
    """
    from scipy.optimize import linear_sum_assignment

    kinds, classes = linear_sum_assignment(-table)
    colour = np.full(table.shape[1], -1)
    colour[classes] = kinds
    surplus = np.flatnonzero(colour < 0)
    colour[surplus] = len(table) + np.arange(len(surplus))
    return colour
