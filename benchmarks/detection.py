"""Detection of atoms: the learned detector beside the Laplacian of Gaussian and plain maxima.

    python benchmarks/detection.py [--data FOLDER] [--peer PYTHON] [--atomai PYTHON]
                                   [--detectors FOLDER] [--seeds 3] [--only WORDS …]

Simulated lattices at several doses, every method on the same images, and, with ``--data``, the two
HAADF images of single heavy atoms labelled by experts (``bpy_crop19`` and ``Ptporph3``, tif with a
csv of X, Y; Sjeon1/HAADF_Atom_Detection), on which nothing was trained or tuned. Detectors are
those of the bundled recipes, trained here unless FOLDER has them. PYTHON is that of an
environment with atomap, which is given the best of several separations and six thresholds, chosen
by the truth. ``--atomai`` names that of an environment with AtomAI: its Segmentor is trained on the
very scenes of our detectors for as much CPU time as they take, sees the same pictures, and is given
the best of three scales and five thresholds, chosen by the truth. Writes ``results/detection.csv``
and prints it as a table; with ``--only`` just the images whose name has one of these are done, and
the rows of the others are left as they are.

The lowest dose of a lattice is that at which its weakest kind of column just meets Rose's
criterion: the matched filter sees half of them at five standard deviations and more
(A. Rose, Journal of the Optical Society of America 38 (1948) 196).
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from vaescope import read, simulate, sites
from vaescope.errors import UserError
from vaescope.settings import read_yaml
from vaescope.simulate.lattice import Columns
from vaescope.simulate.render import expected_counts
from vaescope.sites import learned, matching, scale
from vaescope.sites.learned import picture, training
from vaescope.sites.learned.detector import Detector

HERE = Path(__file__).parent
RECIPES = {"crystals": "atoms-learned", "atoms": "single-atoms"}
LATTICES = {
    "square": ("square?size=384&spacing=18", "crystals"),
    "hexagonal": ("hexagonal?size=384&spacing=18", "crystals"),
    "perovskite": ("perovskite?size=384", "crystals"),
    "perovskite, weak B": ("perovskite?size=384&ratio=0.3&ratio1=0.3", "crystals"),
    "perovskite, contamination": ("perovskite?size=384&contamination=0.5", "crystals"),
    "single atoms on a support": ("single-atoms?size=384", "atoms"),
}
DOSES = (1, 4, 16)  # times that of Rose's criterion
ROSE = 5.0
METHODS = ("log", "maxima", "model")
REAL = ("bpy_crop19", "Ptporph3")
TOLERANCE = 5.0  # px, on the labelled images
SHOWN = 3200  # pictures that AtomAI has to learn from
ON_AN_ATOM = 0.5  # heat from which on a pixel of AtomAI's masks is an atom
SCALES = (0.7, 1.0, 1.4)  # of the spacing, at which AtomAI is tried
COLUMNS = ("image", "dose", "seed", "method", "f1", "precision", "recall", "rmse_over_bound")


def rose_dose(name: str) -> float:
    """Electrons in a strong column at which the weakest kind just meets Rose's criterion."""
    system, parameters = simulate.parse(name)
    build = simulate.SYSTEMS[system].build
    rng = np.random.default_rng(0)
    columns = build(parameters, rng)
    assert isinstance(columns, Columns)
    width, size = parameters.width, parameters.size
    peak = 1 / (2 * np.pi * width**2)
    # What lies over or under the columns, on average; a support has twice its speckle.
    layer = parameters.contamination + 2 * getattr(parameters, "support", 0.0)
    background = peak * (parameters.background + layer)
    expected = expected_counts(columns, size, peak, width, background)
    weakest = columns.where(columns.strength <= np.percentile(columns.strength, 5) * 1.3)
    ratio = []
    for y, x, strength in zip(weakest.y, weakest.x, weakest.strength, strict=True):
        rows, cols = np.ogrid[:size, :size]
        near = (abs(rows - y) < 4 * width) & (abs(cols - x) < 4 * width)
        if min(y, x) < 4 * width or max(y, x) > size - 4 * width:
            continue
        at, along = np.nonzero(near)
        shape = np.exp(-((at - y) ** 2 + (along - x) ** 2) / (2 * width**2))
        ratio.append(((peak * strength * shape) ** 2 / expected[at, along]).sum())
    return ROSE**2 / float(np.median(ratio))


def detectors(folder: Path, kinds: set[str], threads: int) -> dict[str, Detector]:
    """The detectors of the bundled recipes, from the folder or trained into it."""
    made = {}
    for name in sorted(kinds):
        recipe = RECIPES[name]
        path = HERE.parent / "config" / "recipes" / f"{recipe}.yaml"
        settings = read_yaml(path)["sites"]["detector"]
        place = folder / learned.DetectorSettings.of(settings).digest()
        if not (place / "detector.json").exists():
            start = time.process_time()
            learned.save(learned.train(settings, threads=threads), place)
            (place / "seconds.txt").write_text(f"{time.process_time() - start:.1f}")
        loaded = learned.load(place)
        assert isinstance(loaded, Detector)
        made[name] = loaded
    return made


def atomai(python: str, folder: Path, detector: Detector) -> Path:
    """AtomAI's weights, from the folder or trained into it as long as the detector was."""
    place = folder / detector.settings.digest()
    weights = place / "atomai.npz"
    if not weights.exists():
        pool = training.draw(detector.settings, detector.settings.images, 0)
        rng = np.random.default_rng([detector.settings.seed, 4])
        shown, heat, _ = training.batch(pool, SHOWN, rng)
        scenes = place / "scenes.npz"
        masks = (heat.numpy() > ON_AN_ATOM).astype(np.float32)
        np.savez(scenes, pictures=shown[:, 0].numpy(), masks=masks)
        peer("atomai", python, "train", scenes, weights, (place / "seconds.txt").read_text())
        scenes.unlink()
    return weights


def scores(precision: float, recall: float) -> dict[str, float]:
    """Precision and recall with their harmonic mean; what was not found at all counts 0."""
    precision, recall = np.nan_to_num([precision, recall])
    f1 = 2 * precision * recall / max(precision + recall, 1e-12)
    return {"f1": float(f1), "precision": float(precision), "recall": float(recall)}


def found_by(image: xr.Dataset, method: str, detector: Detector) -> xr.Dataset | None:
    """Sites of an image; None where the method finds none."""
    try:
        return sites.find(image, {"method": method}, detector=detector)
    except UserError:
        return None


def on_truth(image: xr.Dataset, places: np.ndarray) -> dict[str, float]:
    """Scores of places (site, 2) in a simulated image, the same yardstick for every method."""
    if not len(places):
        return scores(0, 0)
    made = xr.Dataset(
        {
            "frame": ("site", np.zeros(len(places), int)),
            "y": ("site", places[:, 0]),
            "x": ("site", places[:, 1]),
        },
        attrs={"spacing": distance(image)},
    )
    told = json.loads(matching.score_against_truth(made, image).attrs["truth_scores"])
    return scores(told["precision"] or 0, told["recall"] or 0) | {
        "rmse_over_bound": told["rmse_over_bound"]
    }


def distance(image: xr.Dataset) -> float:
    """Median distance (px) of nearest columns, or four widths of an atom if that is less."""
    places = np.stack([image.truth_y, image.truth_x], axis=1)
    width = json.loads(image.attrs["vendor_metadata"])["width"]
    return float(min(np.median(cKDTree(places).query(places, k=2)[0][:, 1]), 4 * width))


def places_of(found: xr.Dataset | None) -> np.ndarray:
    """Positions (site, 2) as (y, x)."""
    return np.zeros((0, 2)) if found is None else np.stack([found.y, found.x], axis=1)


def against_labels(places: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Scores of places (site, 2) against labels, one to one within ``TOLERANCE``."""
    if not len(places):
        return scores(0, 0)
    apart = cdist(places, labels)
    rows, cols = linear_sum_assignment(np.where(apart <= TOLERANCE, apart, 1e6))
    hits = int((apart[rows, cols] <= TOLERANCE).sum())
    return scores(hits / len(places), hits / len(labels))


def labels_of(path: Path) -> np.ndarray:
    """Labels (site, 2) as (y, x) from a csv of X, Y, whose lines may hold more than one pair."""
    points = []
    for line in path.read_text().splitlines()[1:]:
        values = [float(text) for text in line.split(",") if text.strip()]
        points += [values[k : k + 2][::-1] for k in range(0, len(values) - 1, 2)]
    return np.array(points)


@dataclass(frozen=True)
class Peers:
    """Environments of other programs, None where there is none, and weights for AtomAI by kind."""

    atomap: str | None
    atomai: str | None
    weights: dict[str, Path]

    def rows(
        self,
        image: xr.Dataset,
        kind: str,
        apart: list[float],
        spacing: float,
        judge: Callable[[np.ndarray], dict[str, float]],
    ) -> Iterator[dict[str, object]]:
        """A row for each, at the best of its settings.

        Parameters
        ----------
        apart : px, separations with which atomap is tried.
        spacing : px, of the sites, by which AtomAI's pictures are scaled.
        judge : scores of places.
        """
        frame = image.image.values[0, 0]
        if self.atomap:
            images = {f"s{k}": frame for k in range(len(apart))}
            images |= {f"separation s{k}": np.array(s) for k, s in enumerate(apart)}
            found = places_by("detection", self.atomap, images)
            yield {"method": "atomap, its best setting", **_best(found.values(), judge)}
        if self.atomai:
            factors = [scale * spacing / picture.SPACING for scale in SCALES]
            images = {f"{factor!r}": shown(frame, factor) for factor in factors}
            found = places_by("atomai", self.atomai, images, "find", self.weights[kind])
            moved = [(at + 0.5) * float(key.split()[0]) - 0.5 for key, at in found.items()]
            yield {"method": "AtomAI, its best setting", **_best(moved, judge)}


def _best(
    tried: Iterable[np.ndarray], judge: Callable[[np.ndarray], dict[str, float]]
) -> dict[str, float]:
    return max((judge(places) for places in tried), key=lambda told: told["f1"])


def shown(frame: np.ndarray, factor: float) -> np.ndarray:
    """The picture of a frame that a detector sees, so many pixels of the frame joined to one."""
    shape = (round(frame.shape[0] / factor), round(frame.shape[1] / factor))
    seen = picture.rescaled(frame.astype(float), factor, (0, 0), shape)
    return picture.normalised(seen, float(seen.std())).astype(np.float32)


def simulated(
    trained: dict[str, Detector], seeds: int, peers: Peers, only: list[str]
) -> Iterator[dict[str, object]]:
    """Rows of all lattices, doses and seeds."""
    for lattice, (name, kind) in LATTICES.items():
        if not asked(lattice, only):
            continue
        rose = rose_dose(name)
        for factor in DOSES:
            dose = round(factor * rose, 1)
            for seed in range(seeds):
                image = simulate.make(f"{name}&dose={dose}", seed).load()
                facts = {"image": lattice, "dose": f"{factor} Rose ({dose:g} e)", "seed": seed}
                for method in METHODS:
                    places = places_of(found_by(image, method, trained[kind]))
                    yield facts | {"method": method} | on_truth(image, places)
                near = distance(image)
                judge = partial(on_truth, image)
                for row in peers.rows(image, kind, [0.5 * near, 0.7 * near], near, judge):
                    yield facts | row


def real(
    folder: Path, trained: dict[str, Detector], peers: Peers, only: list[str]
) -> Iterator[dict[str, object]]:
    """Rows of the two labelled images."""
    for name in REAL:
        if not asked(name, only):
            continue
        image = read.load([folder / f"{name}.tif"], {}).load()
        labels = labels_of(folder / f"{name}.csv")
        facts = {"image": f"{name} ({len(labels)} labels)", "dose": "as recorded", "seed": ""}
        near = 4 * scale.estimate([image.image.values[0, 0].astype(float)]).width
        for method in METHODS:
            places = places_of(found_by(image, method, trained["atoms"]))
            yield {**facts, "method": method, **against_labels(places, labels)}
        judge = partial(against_labels, labels=labels)
        for row in peers.rows(image, "atoms", [3.0, 5.0, 8.0, 12.0], near, judge):
            yield facts | row


def peer(program: str, python: str, *arguments: object) -> None:
    """Run the script of a peer in its environment."""
    command = [python, str(HERE / f"{program}_peer.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")


def places_by(
    program: str, python: str, images: dict[str, np.ndarray], *before: object
) -> dict[str, np.ndarray]:
    """Places (site, 2) that a peer finds, by the names of image and setting."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "images.npz", Path(folder) / "found.npz"
        np.savez(source, allow_pickle=False, **images)
        peer(program, python, *before, source, target)
        with np.load(target, allow_pickle=False) as found:
            return {key: found[key] for key in found.files}


def table(rows: list[dict[str, object]]) -> str:
    """Means over the seeds, as Markdown."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        groups.setdefault((row["image"], row["dose"], row["method"]), []).append(row)
    lines = ["| image | dose | method | F1 | precision | recall | RMSE / bound |", "|---" * 7 + "|"]
    for key, group in groups.items():
        means = []
        for name in ("f1", "precision", "recall", "rmse_over_bound"):
            values = [row[name] for row in group if row.get(name) is not None]
            means.append(f"{np.mean(values):.3f}" if values else "")
        lines.append("| " + " | ".join([*key, *means]) + " |")
    return "\n".join(lines)


def asked(name: str, only: list[str]) -> bool:
    """Whether an image is to be done."""
    return not only or any(words in name for words in only)


def merged(old: list[dict], new: list[dict[str, object]]) -> list[dict[str, object]]:
    """New rows in place of the old ones of the same image and method, sorted by image."""
    numbers = ("f1", "precision", "recall", "rmse_over_bound")
    for row in old:
        row |= {name: float(row[name]) if row[name] else None for name in numbers}
    done = {(row["image"], row["method"]) for row in new}
    rows = [row for row in old if (row["image"], row["method"]) not in done] + new
    images = list(dict.fromkeys(row["image"] for row in rows))
    doses = list(dict.fromkeys(row["dose"] for row in rows))
    return sorted(
        rows,
        key=lambda row: (
            images.index(row["image"]),
            doses.index(row["dose"]),
            str(row["seed"]),
            METHODS.index(row["method"]) if row["method"] in METHODS else len(METHODS),
        ),
    )


def main() -> None:
    """Run, write the CSV, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the two labelled images")
    parser.add_argument("--peer", help="Python of an environment with atomap")
    parser.add_argument("--detectors", type=Path, default=Path("results/.detectors"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--atomai", help="Python of an environment with AtomAI")
    parser.add_argument("--only", nargs="+", default=[], help="images to be done, by their words")
    given = parser.parse_args()
    kinds = {kind for lattice, (_, kind) in LATTICES.items() if asked(lattice, given.only)}
    kinds |= {"atoms" for name in REAL if given.data and asked(name, given.only)}
    trained = detectors(given.detectors, kinds, given.threads)
    weights = {}
    if given.atomai:
        weights = {k: atomai(given.atomai, given.detectors, trained[k]) for k in sorted(kinds)}
    peers = Peers(given.peer, given.atomai, weights)
    rows = list(simulated(trained, given.seeds, peers, given.only))
    if given.data:
        rows += real(given.data, trained, peers, given.only)
    target = HERE / "results" / "detection.csv"
    if given.only:
        with target.open(newline="") as file:
            rows = merged(list(csv.DictReader(file)), rows)
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=COLUMNS, restval="")
        writer.writeheader()
        for row in rows:
            numbers = {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
            writer.writerow(numbers)
    print(table(rows))


if __name__ == "__main__":
    main()
