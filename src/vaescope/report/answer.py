"""What the top of a report answers: which kinds of site there are, how many of each, how sure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaescope import text
from vaescope.report import prose
from vaescope.structure import named_modes, varying

if TYPE_CHECKING:
    import xarray as xr

SHOWN = 3  # quantities that vary within a mode, of which a row says how much


def facts(
    name: str, place: int, latents: xr.Dataset, figures: list[dict[str, Any]]
) -> dict[str, Any]:
    """What the page says of the kinds that a model found: the sentence, rows of a table, and the
    figure, which is taken out of the others of the model.

    Parameters
    ----------
    place : of the model on the page, from 1.
    figures : those of the model, in order; that of the modes is removed.
    """
    found = named_modes.of(latents)
    shown = [figure for figure in figures if figure["name"] == f"{name}-modes"]
    for figure in shown:
        figures.remove(figure)
    return {
        "model": name,
        "place": place,
        "sentence": named_modes.sentence(found),
        "rows": [_row(kind, varying.within(latents, kind.number - 1)) for kind in found],
        "times_the_error": f"{varying.CLEAR:g}",
        "bright": any(kind.by_intensity or kind.intensity == kind.intensity for kind in found),
        "figures": shown,
    }


def _row(kind: named_modes.NamedMode, found: list[varying.Varying]) -> dict[str, str]:
    known = kind.intensity == kind.intensity
    return {
        "name": f"mode {kind.number}",
        "count": prose.number(kind.count),
        "share": text.percent(kind.share),
        "stability": f"{kind.stability:.2f}",
        "word": "" if kind.sure else "in doubt",
        "intensity": f"{kind.intensity:.2f}" if known else "–",
        "varying": "; ".join(
            f"{one.name} {prose.number(one.scatter, 2)}{one.unit}"
            f" ({prose.number(one.error, 2)}{one.unit})"
            for one in found[:SHOWN]
        )
        or "–",
    }
