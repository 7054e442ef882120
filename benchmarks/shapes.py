"""Which way up shapes lie that nobody has tuned for: suits of other fonts, letters, polygons.

    python benchmarks/shapes.py [fonts] [letters] [polygons] [--noise 0]

Every font on this machine that has the four suits is taken once (fonts that draw them alike count
as one), and sets of four letters and of four random polygons. Cards of each are laid onto
prototypes as at the start of a training, which then keeps to these poses. The table has for each
set the shape with the fewest cards within 10 degrees of the truth, after one constant for each
shape; how many of all its cards these are; and how many can be right at all, since the shape and
the same shape turned by some part of a circle are only so many standard deviations of the noise
apart (``ensemble/turned_alike.py``, of which a report makes a finding). Shapes that look the same
after a turn without any noise are compared modulo that turn. The table is written to
``benchmarks/results/shapes.csv``.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import string
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rows import replace

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks" / "results"
ALIKE = 0.9995  # correlation of the suits of two fonts that are one design
SAME = 0.005  # share of a shape's power that its turned copy lacks: edges of pixels
NEAR = 10.0  # degrees
LETTERS = string.ascii_letters + string.digits


def fonts() -> dict[str, list[np.ndarray]]:
    """Fine pictures of the suits by the name of each font file that has them."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font
    from matplotlib.textpath import TextPath

    from vaescope.simulate import cards

    own = [entry.fname for entry in font_manager.fontManager.ttflist]
    found: dict[str, list[np.ndarray]] = {}
    seen: list[np.ndarray] = []
    for file in sorted({*font_manager.findSystemFonts(), *own}, key=lambda f: Path(f).name):
        try:
            if not set(map(ord, cards.GLYPHS)) <= set(FT2Font(file).get_charmap()):
                continue
            font = font_manager.FontProperties(fname=file)
            outlines = [TextPath((0, 0), glyph, prop=font) for glyph in cards.GLYPHS]
        except (RuntimeError, OSError) as problem:
            print(f"{Path(file).name} is left out: {problem}")
            continue
        if len({hashlib.sha256(o.vertices.tobytes()).hexdigest() for o in outlines}) < 4:
            continue  # a font of boxes
        coarse = np.stack([cards.blurred(cards.inked(o), 64)[8::16, 8::16] for o in outlines])
        if any(np.corrcoef(coarse.ravel(), other.ravel())[0, 1] > ALIKE for other in seen):
            continue
        seen.append(coarse)
        found[Path(file).name] = [cards.inked(o) for o in outlines]
    return found


def letters(count: int, seed: int) -> dict[str, list[np.ndarray]]:
    """Sets of four letters and digits of DejaVu Serif at random."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    from vaescope.simulate import cards

    rng = np.random.default_rng(seed)
    font = FontProperties(family="DejaVu Serif", weight="bold")
    out = {}
    for _ in range(count):
        some = "".join(rng.choice(list(LETTERS), 4, replace=False))
        out[some] = [cards.inked(TextPath((0, 0), letter, prop=font)) for letter in some]
    return out


def polygons(count: int, seed: int) -> dict[str, list[np.ndarray]]:
    """Sets of four star-shaped polygons of 3 to 7 corners at random."""
    from matplotlib.path import Path as Outline

    from vaescope.simulate import cards

    rng = np.random.default_rng(seed)
    out = {}
    for k in range(count):
        shapes = []
        for _ in range(4):
            corners = int(rng.integers(3, 8))
            angle = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) / corners
            points = rng.uniform(0.5, 1.0, corners)[:, None] * np.c_[np.cos(angle), np.sin(angle)]
            shapes.append(cards.inked(Outline(np.r_[points, points[:1]], closed=True)))
        out[f"polygons {seed}.{k}"] = shapes
    return out


def period_of(picture: np.ndarray, size: int) -> float:
    """Degrees after which a fine picture looks the same on cards of ``size`` px, without noise."""
    from scipy import ndimage

    from vaescope.simulate import cards

    seen = cards.blurred(picture, size)
    power = float((seen**2).sum())
    for fold in (6, 4, 3, 2):
        turned = ndimage.rotate(seen, 360 / fold, reshape=False, order=1)
        if float(((turned - seen) ** 2).sum()) < SAME * power:
            return 360 / fold
    return 360.0


def bound(picture: np.ndarray, size: int, noise: float, period: float) -> float:
    """Share of a shape's cards that differ visibly from rotated ones, at best."""
    from vaescope.ensemble.turned_alike import FOLDS, mistaken_turn
    from vaescope.simulate import cards

    step = len(picture) // size
    seen = cards.blurred(picture, size).reshape(size, step, size, step).mean((1, 3))
    own = round(360 / period)
    ways = [mistaken_turn(seen[None], noise, fold) for fold in FOLDS if own % fold]
    return 1 - max(ways, default=0.0)


def poses(images: np.ndarray, seed: int) -> np.ndarray:
    """Angles (card,) by prototypes alone, with the settings of `rvae-shear`."""
    import torch

    from vaescope.models.disc import in_disc
    from vaescope.models.register import Freedom
    from vaescope.train import prototypes

    torch.set_num_threads(1)
    patches = torch.from_numpy(images[:, None] * in_disc(images.shape[-1]).astype(np.float32))
    generator = torch.Generator().manual_seed(seed)
    start = prototypes.find(patches, 16, Freedom.of(True, 1, 0.2, 0.0), generator)
    return start.pose[:, 0].numpy()


def measured(shapes: list[np.ndarray], given: argparse.Namespace, seed: int) -> dict[str, float]:
    """The shape that fares worst: how many of its cards lie the right way, and may."""
    from vaescope.scores import labelled
    from vaescope.simulate import cards

    parameters = cards.CardParameters(
        count=given.count, size=given.pixels, noise=given.noise, **cards.SETS[given.set]
    )
    dealt = cards.deal(parameters, np.random.default_rng(seed), shapes)
    began = time.process_time()
    found = poses(dealt["images"], seed)
    seconds = time.process_time() - began
    right, bounds = [], []
    for k, shape in enumerate(shapes):
        here, period = dealt["label"] == k, period_of(shape, given.pixels)
        apart = found[here] - dealt["angle"][here]
        error = labelled.after_constant(apart, np.radians(period))
        right.append(float((np.degrees(np.abs(error)) < NEAR).mean()))
        bounds.append(bound(shape, given.pixels, given.noise, period))
    worst = int(np.argmin(np.array(right) - np.minimum(bounds, 0.995)))
    return {"shape": worst, "right": right[worst], "bound": bounds[worst], "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=["fonts", "letters", "polygons"])
    parser.add_argument("--set", default="cards4", choices=("cards3", "cards4"))
    parser.add_argument("--seed", type=int, default=0, help="of the cards, letters and polygons")
    parser.add_argument("--sets", type=int, default=10, help="of letters and of polygons")
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--noise", type=float, default=0.0)
    given = parser.parse_args()
    makers: dict[str, Callable[[], dict[str, list[np.ndarray]]]] = {
        "fonts": fonts,
        "letters": lambda: letters(given.sets, given.seed),
        "polygons": lambda: polygons(given.sets, given.seed),
    }
    rows = []
    for kind in given.kinds:
        for name, shapes in makers[kind]().items():
            found = measured(shapes, given, given.seed)
            holds = found["right"] >= min(0.995, found["bound"])
            print(
                f"{name:32s} shape {found['shape']:.0f}: {found['right']:.4f} within 10 degrees,"
                f" at most {found['bound']:.4f}, {found['seconds']:.0f} s"
                f"{'' if holds else '   MISSED'}",
                flush=True,
            )
            rows.append(
                {
                    "case": f"{given.set}, noise {given.noise:g}, seed {given.seed}: {name}",
                    "worst_shape": int(found["shape"]),
                    "within_10_deg": f"{found['right']:.4f}",
                    "at_best": f"{found['bound']:.4f}",
                    "holds": str(holds).lower(),
                    "seconds": f"{found['seconds']:.0f}",
                }
            )
    OUT.mkdir(exist_ok=True)
    table = OUT / "shapes.csv"
    names = {str(row["case"]) for row in rows}
    if table.exists():
        with table.open(newline="") as file:
            names |= {row["case"] for row in csv.DictReader(file)}
    replace(table, rows, "case", sorted(names))
    print(f"{sum(row['holds'] == 'true' for row in rows)} of {len(rows)} hold")


if __name__ == "__main__":
    main()
