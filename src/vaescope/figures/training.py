"""Draw the course of training: every term of the objective, member by member."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from vaescope.figures.scene import Scene
from vaescope.figures.sheet import MARGIN, FinishedFigure, Sheet
from vaescope.figures.style import CATEGORIES, FAINT, INK
from vaescope.results import ModelResults

_WORDS = {
    "elbo": "ELBO (nats per {sample})",
    "reconstruction": "log-likelihood (nats per {sample})",
    "kl_turns": "KL of the angle (nats)",
}


def _words(term: str, sample: str) -> str:
    """A term of the bound in words; ``kl_NAME`` is the divergence of NAME."""
    words = _WORDS.get(term, f"KL of the {term.removeprefix('kl_')} (nats)")
    return words.format(sample=sample)


def read_history(path: Path) -> dict[str, np.ndarray]:
    """Columns of ``history.csv``; numbers as float (NaN where empty), ``phase`` as text."""
    with path.open(newline="") as table:
        rows = list(csv.DictReader(table))
    columns: dict[str, np.ndarray] = {}
    for name in rows[0] if rows else ():
        texts = [row[name] or "" for row in rows]
        columns[name] = (
            np.array(texts) if name == "phase" else np.array([_number(t) for t in texts])
        )
    return columns


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def training(scene: Scene, view: ModelResults) -> FinishedFigure | None:
    """Terms of the ELBO over the epochs: members thin, their median bold."""
    if not view.history.is_file():
        return None
    history = read_history(view.history)
    if "member" not in history or "epoch" not in history:
        return None
    terms = [
        name
        for name in history
        if (name in _WORDS or name.startswith("kl_"))
        and np.isfinite(history[name]).any()
        and np.nanmax(np.abs(history[name])) > 1e-9
    ]
    if not terms:
        return None
    columns = min(3, len(terms))
    rows = -(-len(terms) // columns)
    width, height, across, down = 2.55, 1.6, 3.35, 2.45
    sheet = Sheet(
        scene,
        "Training of the ensemble",
        rows * down + 0.1,
        width=max(2 * MARGIN + columns * across, 6.4),
        view=view,
        sites=int(view.latents.sizes["site"]),
    )
    members = np.unique(history["member"])
    for index, term in enumerate(terms):
        row, column = divmod(index, columns)
        axes = sheet.axes(MARGIN + 0.55 + column * across, 0.3 + row * down, width, height)
        axes.set_title(_words(term, scene.noun[0]))
        _curves(axes, history, members, term)
        axes.set_xlabel("epoch")
    kept = [name for name in ("member", "step", "epoch", "phase", *terms) if name in history]
    sheet.figure_data.rows({name: history[name] for name in kept})
    caption = (
        f"Terms of the objective during training; thin lines are the {len(members)} members of the"
        " ensemble, the bold line is their median. Members that end apart from the others found"
        " another solution; the maps use the members that agree. The first steps run out of the"
        " plots." + (" Dotted: a new phase of training begins." if _phases(history) else "")
    )
    return sheet.drawn("training", caption, view)


def _curves(axes, history, members, term: str) -> None:
    values, epochs = history[term], history["epoch"]
    for member in members:
        chosen = history["member"] == member
        axes.plot(epochs[chosen], values[chosen], color=CATEGORIES[4], lw=0.7, alpha=0.75)
    # The median is taken at the epochs that every member has.
    common = [e for e in np.unique(epochs) if (epochs == e).sum() >= max(1, len(members) / 2)]
    middle = [np.nanmedian(values[epochs == e]) for e in common]
    axes.plot(common, middle, color=CATEGORIES[0], lw=2)
    for epoch, name in _phases(history):
        axes.axvline(epoch, color=FAINT, lw=0.8, ls=":")
        axes.text(
            epoch,
            0.03,
            f" {name}",
            transform=axes.get_xaxis_transform(),
            size=7.5,
            color=FAINT,
            va="bottom",
            parse_math=False,
        )
    # The first steps would hide everything that follows.
    late = values[(epochs > np.nanquantile(epochs, 0.15)) & np.isfinite(values)]
    if late.size:
        low, high = float(late.min()), float(late.max())
        pad = 0.08 * (high - low) or 0.05 * max(abs(high), 1e-6)
        axes.set_ylim(low - pad, high + pad)
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5, integer=bool(np.nanmax(epochs) > 5)))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.tick_params(colors=INK)


def _phases(history) -> list[tuple[float, str]]:
    """Epochs at which the phase of training changes, with the phase that begins."""
    if "phase" not in history:
        return []
    first: dict[str, float] = {}
    for phase, epoch in zip(history["phase"], history["epoch"], strict=True):
        if phase:
            first[str(phase)] = min(epoch, first.get(str(phase), np.inf))
    begins = sorted((epoch, phase) for phase, epoch in first.items())
    return [(float(epoch), phase) for epoch, phase in begins[1:5]]
