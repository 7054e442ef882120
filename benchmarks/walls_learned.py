"""How well walls are found: by the learned detector, by zero lines, by Canny, by AtomAI.

    python benchmarks/walls_learned.py [--atomai PYTHON] [--folder FOLDER] [--seeds N]

Every finder sees the same scenes (`simulate:walls`, seeds that no training uses). AtomAI's
ResHedNet is trained on recordings of the scenes of our detector for as much CPU time: as wide as
its authors made it, and narrow, with more steps in the same time. Lines are compared with true ones
at a tolerance of 2 px; of AtomAI the skeleton of its map counts, at the threshold that is best for
it by the truth. Pictures without walls follow: how many walls are found in them.

A detector that lies in FOLDER is used, not trained again. Results: ``results/walls_learned.csv``.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import rows
import torch
from scipy import ndimage
from skimage.measure import label
from skimage.morphology import skeletonize

from vaescope import simulate, walls
from vaescope.learned.settings import OF_WALLS
from vaescope.sites import learned
from vaescope.walls.finding import seek
from vaescope.walls.learned import normalised, wall_detector, wall_training
from vaescope.walls.learned.wall_detector import WallDetector
from vaescope.walls.settings import WallFinding

HERE = Path(__file__).parent
OUT = HERE / "results" / "walls_learned.csv"
SCENES = {
    "noise 0.15": "walls?noise=0.15",
    "noise 0.4": "walls?noise=0.4",
    "noise 0.8": "walls?noise=0.8",
    "drift, crosstalk, irregular tip": "walls?noise=0.4&irregular=0.8&drift=6&crosstalk=0.3&tip=2",
    "stripes": "walls?noise=0.4&domains=stripes&length=20",
    "circles": "walls?noise=0.4&domains=circles&length=18",
}
NOISES = {
    "noise alone": "walls?contrast=0",
    "one domain": "walls?share=0&noise=0.3",
    "one domain, crosstalk": "walls?share=1&noise=0.15&crosstalk=0.1",
}
FIRST = 9000  # seeds from here on are in no training and no test
PEERS = {
    "AtomAI ResHedNet": ("ResHedNet", "", "32"),
    "AtomAI ResHedNet, narrow": ("ResHedNet", "8", "8"),
}
MAP = "learned, its map alone"  # judged as those of AtomAI are
OURS = ("learned", "zero", "canny")
FINDERS = [*OURS, MAP, *PEERS]
NONE = dict.fromkeys(("f1", "iou", "precision", "recall", "f1 inside", "iou inside"))
THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
SHOWN = 2000  # recordings of our scenes that AtomAI is trained on
TOLERANCE = 2.0  # px
RIM = 4  # px at the rim, in which a wall may show one of its sides alone
SHORTEST = 6  # px, pieces of a skeleton that are no walls


def ours(folder: Path) -> tuple[WallDetector, float]:
    """The detector of the recipe, from the folder or trained into it, and its CPU time in s."""
    if not (folder / "detector.json").exists():
        start = time.process_time()
        trained = learned.train(OF_WALLS.as_dict())
        learned.save(trained, folder)
        (folder / "seconds.txt").write_text(f"{time.process_time() - start:.1f}")
    detector = learned.load(folder)
    assert isinstance(detector, WallDetector)
    return detector, float((folder / "seconds.txt").read_text())


def peer(python: str, *arguments: object) -> None:
    """Run AtomAI in its environment."""
    command = [python, str(HERE / "atomai_peer.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    print(done.stdout.strip(), flush=True)


def weights_of(python: str, name: str, folder: Path, seconds: float) -> Path:
    """AtomAI's weights, from the folder or trained into it."""
    network, filters, batch = PEERS[name]
    target = folder / f"atomai-{network}-{filters or 'default'}.npz"
    scenes = folder / "scenes.npz"
    if not scenes.exists():
        pool = wall_training.draw(OF_WALLS, OF_WALLS.images, 0)
        shown, wall, _, _ = wall_training.batch(pool, SHOWN, np.random.default_rng(6))
        np.savez(scenes, pictures=shown[:, 0].numpy(), masks=wall.numpy())
    if not target.exists():
        peer(python, "train", scenes, target, seconds, network, filters, batch)
    return target


def drawn(places: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """The pixels that curves run through, bool of ``shape``."""
    picture = np.zeros(shape, bool)
    for place in places:
        rows, columns = np.rint(place).astype(int).T
        inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        picture[rows[inside], columns[inside]] = True
    return skeletonize(picture)


def thinned(probability: np.ndarray, threshold: float) -> np.ndarray:
    """The lines of a map, without short pieces."""
    lines = skeletonize(probability > threshold)
    pieces = label(lines, connectivity=2)
    size = np.bincount(pieces.ravel())
    return lines & (size[pieces] >= SHORTEST)


def scores(found: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Precision, recall, F1 and intersection over union of lines, at a tolerance; the last two also
    without the rim."""
    far_from = [
        ndimage.distance_transform_edt(~lines) > TOLERANCE if lines.any() else np.ones_like(lines)
        for lines in (true, found)
    ]
    made: dict[str, float] = {}
    for where, rim in (("", 0), (" inside", RIM)):
        inside = tuple(slice(rim, side - rim) for side in true.shape)
        lines, right = found[inside], true[inside]
        wrong, missed = (
            int((a & b[inside]).sum()) for a, b in zip((lines, right), far_from, strict=True)
        )
        precision = 1 - wrong / max(int(lines.sum()), 1)
        recall = 1 - missed / int(right.sum())
        f1 = 2 * precision * recall / max(precision + recall, 1e-12)
        iou = float((right.sum() - missed) / (right.sum() + wrong))
        own = {"f1": f1, "iou": iou, "precision": precision, "recall": recall}
        made |= own if not rim else {name + where: own[name] for name in ("f1", "iou")}
    return made


@cache
def picture(name: str, seed: int) -> Any:
    """A simulated image, with its truth."""
    return simulate.make(name, seed).load()


def pictures(names: dict[str, str], seeds: int) -> Iterator[tuple[dict[str, Any], Any]]:
    """The case and seed of all images, and the images."""
    for case, name in names.items():
        for seed in range(FIRST, FIRST + seeds):
            yield {"case": case, "seed": seed}, picture(name, seed)


def key(about: dict[str, Any]) -> str:
    """Of a picture among those for AtomAI."""
    return f"{about['case']} {about['seed']}"


def true_lines(image: Any) -> np.ndarray:
    """The pixels that the true walls run through."""
    place = np.stack([image.truth_y.values, image.truth_x.values], axis=1)
    return drawn([place], image.truth_domain.shape[1:])


def sought_by(signal: walls.Signal, finder: Any, detector: WallDetector) -> list[np.ndarray]:
    """What one of our finders takes for walls; a fit would move them by less than the tolerance."""
    return [curve.place for curve in seek(signal, WallFinding(finder=finder), detector)[2]]


def of_ours(finder: Any, detector: WallDetector, seeds: int) -> Iterator[dict[str, Any]]:
    """The rows of one of our finders."""
    for about, image in pictures(SCENES, seeds):
        true = true_lines(image)
        found = sought_by(walls.signal_of(image, 0), finder, detector)
        yield about | {"finder": finder} | scores(drawn(found, true.shape), true) | {"walls": None}
    for about, image in pictures(NOISES, seeds):
        fitted = walls.find(walls.signal_of(image, 0), WallFinding(finder=finder), detector)
        yield about | {"finder": finder} | NONE | {"walls": len(fitted)}


def of_map(name: str, maps: dict[str, np.ndarray], seeds: int) -> Iterator[dict[str, Any]]:
    """The rows of a network, from its maps alone."""
    for about, image in pictures(SCENES, seeds):
        true, seen = true_lines(image), maps[key(about)]
        tried = [scores(thinned(seen, least), true) for least in THRESHOLDS]
        best = max(tried, key=lambda row: row["f1"])
        yield about | {"finder": name} | best | {"walls": None}
    for about, _ in pictures(NOISES, seeds):
        count = int(label(thinned(maps[key(about)], 0.5), connectivity=2).max())
        yield about | {"finder": name} | NONE | {"walls": count}


def peer_maps(python: str, name: str, weights: Path, seeds: int) -> dict[str, np.ndarray]:
    """AtomAI's maps of all pictures, which it sees as our networks do."""
    network, filters, _ = PEERS[name]
    source, target = weights.with_suffix(".images.npz"), weights.with_suffix(".maps.npz")
    shown = {
        key(about): normalised.standard(walls.signal_of(image, 0)).astype(np.float32)
        for about, image in pictures(SCENES | NOISES, seeds)
    }
    np.savez(source, allow_pickle=False, **shown)
    peer(python, "segment", weights, source, target, network, filters)
    with np.load(target, allow_pickle=False) as stored:
        return {each: stored[each] for each in stored.files}


def our_maps(detector: WallDetector, seeds: int) -> dict[str, np.ndarray]:
    """The probabilities of our detector for all pictures."""
    return {
        key(about): wall_detector.maps(detector, walls.signal_of(image, 0)).probability
        for about, image in pictures(SCENES | NOISES, seeds)
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Means over the seeds, and the worst F1, as Markdown."""
    columns: list[tuple[str, Callable[..., Any]]]
    columns = [("f1", np.mean), ("f1", np.min), ("iou", np.mean)]
    columns += [("f1 inside", np.mean), ("f1 inside", np.min), ("iou inside", np.mean)]
    columns += [("walls", np.sum)]
    heads = ["case", "finder", "F1", "worst F1", "IoU"]
    heads += ["F1 without the rim", "worst", "IoU without the rim", "walls found"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["case"], row["finder"]), []).append(row)
    for names in sorted(groups, key=lambda names: [*SCENES, *NOISES].index(names[0])):
        cells = [*names]
        for name, over in columns:
            values = [float(row[name]) for row in groups[names] if row[name] not in (None, "")]
            cells.append(f"{over(values):.3f}" if values else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run, write the CSV, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--atomai", help="Python of an environment with AtomAI")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/walls-learned"))
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--only", nargs="*", choices=FINDERS, default=FINDERS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.folder.mkdir(parents=True, exist_ok=True)
    detector, seconds = ours(given.folder / "ours")
    print(f"our detector: {seconds:.0f} s of CPU, {detector.facts}", flush=True)
    for finder in given.only:
        if finder in OURS:
            made = of_ours(finder, detector, given.seeds)
        elif finder == MAP:
            made = of_map(finder, our_maps(detector, given.seeds), given.seeds)
        elif given.atomai:
            weights = weights_of(given.atomai, finder, given.folder, seconds)
            maps = peer_maps(given.atomai, finder, weights, given.seeds)
            made = of_map(finder, maps, given.seeds)
        else:
            continue
        rows.replace(OUT, list(made), "finder", FINDERS)
    with OUT.open(newline="") as file:
        print(table(list(csv.DictReader(file))))


if __name__ == "__main__":
    main()
