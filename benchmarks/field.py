"""The watch against silence: is the result right, whatever image is given, or said to be wrong?

    python benchmarks/field.py [--small] [--seed N] [--images N] [--only WORDS …] [--folder FOLDER]
                               [--out FILE]

Faults of specimens, microscopes and files (``image_faults.py``), each at three strengths, are laid
on simulated images of several lattices. Every image goes through the rooms that the workflow uses
(reading, sites, patches, strain, findings), without training. The verdict on each is

* **right**: precision and recall of 0.98 and more (F1), at least 95 % of the positions within 2.5
  stated errors, strain of every grain and the turn between grains within their errors;
* **flagged**: not right, but a finding or a refusal says so, and its remedy, once it is applied,
  makes it right;
* **named**: not right, no setting that is advised makes it right, but a finding or a refusal names
  the cause;
* **wrong remedy**: something is said, but what it advises does not help;
* **SILENT**: wrong without a word.

With ``--folder``, the folders in FOLDER that hold a `truth.npy` (row and column of each column of
atoms) beside an image and perhaps a `sheet.tsv` are judged too. Another ``--seed`` draws other
lattices, turns, noise: nothing is tuned to one. The exit status is 1 if anything is silent and
wrong, or if a remedy does not help.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import yaml
from field_files import CASES
from image_faults import FAULTS, case
from scipy.spatial import cKDTree
from specimens import LATTICES, Case, Specimen, known_of

from vaescope import read, samples, sites
from vaescope.errors import UserError
from vaescope.judge import findings, scan
from vaescope.results.facts import Finding
from vaescope.sites.matching import match
from vaescope.strain.between_grains import misorientations_of
from vaescope.strain.maps import map_strain

F1 = 0.98
WITHIN, ERRORS = 0.95, 2.5  # share of the positions, and stated errors within which they must lie
CLOSE = 0.03  # px: no position need be better than that
# Nor any strain: phases are smoothed, and lean towards what lies beside the crystal.
STRAIN = {"neighbours": 0.006, "GPA": 0.01}
TURN = 0.3  # degrees: nor a turn between grains
MATCH, EDGE = 0.35, 0.6  # of the nearest distance: of a site to its column, and from the edge
BOUNDARY = 2.5  # spacings from a grain boundary or edge within which no strain is judged
# About the amount of data or its units, not about whether what is shown is right.
BESIDE = {"few patches", "not calibrated", "cut off"}
RIGHT, FLAGGED, NAMED, MISLED, SILENT = "right", "flagged", "named", "wrong remedy", "SILENT"
_IMAGES = {".npy", ".tif", ".emd", ".sxm", ".hspy", ".png"}
BAD = (MISLED, SILENT)
SMALL = {"strengths": 1, "size": 192}


@dataclass
class Outcome:
    """What came of one image with one set of settings.

    ``wrong`` : what is not as it should be, in words; ``said`` : findings that concern it.
    """

    wrong: list[str] = field(default_factory=list)
    said: list[Finding] = field(default_factory=list)
    refusal: UserError | None = None
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        return not self.wrong and self.refusal is None


@dataclass
class Verdict:
    """Of one image: the word for it, what is wrong and what was said."""

    case: str
    word: str
    outcome: Outcome
    remedy: str = ""


def analyse(case: Case, settings: dict[str, Any], *, widened: bool = False) -> Outcome:
    """Run one image through the rooms, with the part `ingest`, `sites` and `patches` of a recipe,
    and compare the result with the truth; ``widened``: take the errors of positions as the lattice
    says they are."""
    found = Outcome()
    try:
        image = read.load(
            [case.file], settings.get("ingest"), pixel_size=settings.get("pixel_size")
        ).load()
        atoms = sites.find(image, settings.get("sites")).load()
        found.said = said(image, atoms, settings.get("patches"))
        strain = map_strain(image, atoms)
    except UserError as error:
        found.refusal = error
        return found
    if strain.attrs["ordered"]:
        found.said += findings.of_strain(strain) + findings.of_grains(strain)
    found.said += findings.of_scan(
        {f"strain: {name}": each for name, each in scan.of_strain(strain).items()}
    )
    if widened and strain.attrs["ordered"]:
        x, y = strain.attrs["position_errors_widened"]
        atoms = atoms.assign(x_error=atoms["x_error"] * x, y_error=atoms["y_error"] * y)
    index = of_sites(case, image, atoms, found)
    if case.specimen.distorted:
        found.wrong.append("lengths differ along the axes")
    if strain.attrs["ordered"] and case.strained:
        of_strain(case, atoms, strain, index, found)
    return found


def said(image: xr.Dataset, atoms: xr.Dataset, patches: dict[str, Any] | None) -> list[Finding]:
    """Findings about sites, as for an image of which nobody knows the truth."""
    try:
        cut = samples.extract(image, atoms, patches)
    except UserError:
        cut = xr.Dataset({"patch": ("site", np.zeros(0))})
    return findings.of_image(image, atoms) + findings.of_sites(image, atoms, cut, {})


def squares(case: Case, image: xr.Dataset) -> np.ndarray:
    """By how much rows and columns of the file count more in the image, whose pixels are square."""
    axis, factor = image.attrs.get("resampled_axis"), image.attrs.get("resampled_factor", 1.0)
    return np.array([factor if axis == "y" else 1.0, factor if axis == "x" else 1.0])


def of_sites(case: Case, image: xr.Dataset, atoms: xr.Dataset, found: Outcome) -> np.ndarray:
    """Judge detection and positions; returns the true column of each site, -1 if there is none."""
    scale = squares(case, image)
    truth = case.position * scale
    place = np.stack([atoms["y"].values, atoms["x"].values], 1)
    nearest = case.nearest
    index = match(place, truth, MATCH * nearest)
    shape = np.array([image.sizes["y"], image.sizes["x"]])
    counted, true = (_judged(case, p, shape, scale, EDGE * nearest) for p in (place, truth))
    hit = np.zeros(len(truth), bool)
    hit[index[index >= 0]] = True
    precision = float((index >= 0)[counted].mean()) if counted.any() else 0.0
    recall = float(hit[true].mean()) if true.any() else 0.0
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    found.numbers |= {"precision": precision, "recall": recall, "f1": f1}
    if f1 < F1:
        found.wrong.append(f"F1 {f1:.2f}")
    use = (index >= 0) & counted
    if use.sum() < 10:
        return index
    off = np.abs(place[use] - truth[index[use]])
    stated = np.stack([atoms["y_error"].values, atoms["x_error"].values], 1)[use]
    known = np.isfinite(stated)
    within = float((off <= np.maximum(ERRORS * stated, CLOSE))[known].mean())
    rms = float(np.sqrt(np.mean(off**2)))
    found.numbers |= {"within": within, "rms": rms, "stated": float(np.median(stated[known]))}
    if within < least(known.sum()):
        found.wrong.append(f"{within:.0%} of positions within {ERRORS:g} errors, rms {rms:.2g} px")
    spacing = float(atoms.attrs["spacing"]) / nearest
    found.numbers["spacing"] = spacing
    return index


def least(count: int) -> float:
    """The share of so many values that must be within their errors: two standard deviations less
    than ``WITHIN``."""
    return WITHIN - 2 * float(np.sqrt(WITHIN * (1 - WITHIN) / count))


def _judged(
    case: Case, place: np.ndarray, shape: np.ndarray, scale: np.ndarray, margin: float
) -> np.ndarray:
    """Which places lie off the edge of the image, and off what was not measured."""
    inside = np.all((place >= margin) & (place <= shape - 1 - margin), axis=1)
    if case.measured.all():
        return inside
    from scipy.ndimage import distance_transform_edt

    away = distance_transform_edt(case.measured)
    rows, cols = (place / scale).round().astype(int).T
    height, width = case.measured.shape
    rows, cols = rows.clip(0, height - 1), cols.clip(0, width - 1)
    thick = min(margin, 4.0)  # a single line that is lost hides no column
    return inside & (away[rows, cols] > thick)


def of_strain(
    case: Case, atoms: xr.Dataset, strain: xr.Dataset, index: np.ndarray, found: Outcome
) -> None:
    """Judge strain, which is zero in every grain, and the turns between grains."""
    place = np.stack([atoms["y"].values, atoms["x"].values], 1)
    grain = np.where(index >= 0, case.grain[np.where(index >= 0, index, 0)], -1)
    spacing = case.specimen.spacing
    inner = grain >= 0
    inner &= np.all((place > BOUNDARY * spacing), axis=1)
    last = place.max(axis=0)
    inner &= np.all(place < last - BOUNDARY * spacing, axis=1)
    for number in np.unique(case.grain):
        others = place[(grain >= 0) & (grain != number)]
        if len(others):
            away, _ = cKDTree(others).query(place)
            inner &= (grain != number) | (away > BOUNDARY * spacing)
    for k, method in enumerate(str(name) for name in strain["method"].values):
        value, error = strain["strain"].values[k], strain["strain_error"].values[k]
        for number in np.unique(grain[inner]):
            here = inner & (grain == number)
            known = here & np.isfinite(value).all(1) & np.isfinite(error).all(1)
            if known.sum() < 10:
                continue
            off = np.abs(value[known])
            good = float((off <= np.maximum(ERRORS * error[known], STRAIN[method])).mean())
            found.numbers[f"strain {method} {number}"] = float(np.sqrt(np.mean(off**2)))
            if good < least(known.sum()):
                worst = 100 * float(np.median(off.max(1)))
                found.wrong.append(f"{method}: strain of {worst:.2g} % in grain {number}")
            turn, sway = strain["rotation"].values[k][known], strain["rotation_error"].values[k]
            off = np.abs(turn) / np.maximum(ERRORS * sway[known], np.radians(TURN))
            if float((off <= 1).mean()) < least(known.sum()):
                found.wrong.append(f"{method}: rotation in grain {number}")
    turns(case, strain, grain, inner, found)


def turns(
    case: Case, strain: xr.Dataset, grain: np.ndarray, inner: np.ndarray, found: Outcome
) -> None:
    """Judge by how much the grains that were found are turned against each other."""
    seen = strain["grain"].values
    true = {}
    for number in np.unique(seen[inner & (seen > 0)]):
        names, count = np.unique(grain[inner & (seen == number)], return_counts=True)
        true[int(number)] = int(names[np.argmax(count)])
        if count.max() < 0.9 * count.sum():
            found.wrong.append(f"grain {number} is several")
    period = 180.0 if case.specimen.dumbbell else LATTICES[case.specimen.lattice].period
    for pair in misorientations_of(strain.attrs):
        if not all(number in true for number in pair["grains"]):
            continue
        first, second = (case.specimen.angles[true[number]] for number in pair["grains"])
        own = min(period, pair["period_deg"])
        off = (pair["angle_deg"] - (second - first) + own / 2) % own - own / 2
        if abs(off) > max(TURN, ERRORS * pair["error_deg"]):
            found.wrong.append(f"{pair['angle_deg']:.1f}° for {second - first:.1f}°")


# What was said, and whether it helps ----------------------------------------------------------

PARTS = {
    "spacing": ("sites", "spacing"),
    "width": ("sites", "width"),
    "polarity": ("sites", "polarity"),
    "threshold": ("sites", "threshold"),
    "channel": ("sites", "channel"),
    "background": ("ingest", "preprocess", "background"),
    "hot_pixels": ("ingest", "preprocess", "hot_pixels"),
    "detrend_lines": ("ingest", "preprocess", "detrend_lines"),
    "unmeasured": ("ingest", "unmeasured"),
    "pixel_size": ("pixel_size",),
}


def remedies(words: str, known: dict[str, list[Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the settings that a remedy names in backticks, such as `sites: polarity: dark`.

    Where it gives no value, those are tried that someone who knows the specimen would try.
    """
    for quoted in re.findall(r"`([^`]+)`", words):
        *path, last = [part.strip() for part in quoted.split(":")]
        name = next((part for part in (last, *path[::-1]) if part in PARTS), None)
        if name is None:
            continue
        values = [yaml.safe_load(last)] if last != name and last else known.get(name, [])
        for value in values:
            settings: Any = value
            for part in PARTS[name][::-1]:
                settings = {part: settings}
            yield f"{name}: {value}", settings


def verdict(case: Case, settings: dict[str, Any] | None = None) -> Verdict:
    """Judge one image, and where it is wrong try every remedy that was offered."""
    settings = settings or {}
    first = analyse(case, settings)
    if first.right:
        return Verdict(case.name, RIGHT, first)
    concerned = [one for one in first.said if one.kind not in BESIDE]
    if first.refusal is None and not concerned:
        return Verdict(case.name, SILENT, first)
    words = [f"{one.kind}: {one.remedy}" for one in concerned]
    if first.refusal is not None:
        words = [str(first.refusal)]
    for name, outcome in helped(case, settings, words):
        if outcome.right:
            return Verdict(case.name, FLAGGED, first, name)
    texts = [f"{one.says} {one.means} {one.remedy}" for one in concerned if one.severity != "note"]
    texts += [str(first.refusal)] if first.refusal is not None else []
    named = any(re.search(case.cause, text) for text in texts)
    return Verdict(case.name, NAMED if named else MISLED if texts else SILENT, first)


def helped(case: Case, settings: dict[str, Any], words: list[str]) -> Iterator[tuple[str, Outcome]]:
    """Apply the remedies that are offered in ``words``, one after the other, and say what came."""
    for text in dict.fromkeys(words):
        for name, change in remedies(text, case.known):
            yield name, analyse(case, merged(settings, change))
        if "verage frames" in text and case.averaged is not None:
            yield "frames averaged", analyse(case.averaged(), settings)
        if text.startswith("position errors too small"):
            yield "errors of the strain", analyse(case, settings, widened=True)


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Settings with those of another set put over them."""
    done = dict(one)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(done.get(key), dict)
        done[key] = merged(done[key], value) if both else value
    return done


# The sweep -------------------------------------------------------------------------------------


def sweep(
    seed: int,
    images: int,
    folder: Path,
    only: Iterable[str] = (),
    *,
    strengths: int = 3,
    size: int = 256,
) -> Iterator[tuple[str, float, Verdict]]:
    """Judge every fault at each strength, or at the middle one, on ``images`` images of ``size``
    pixels, each of another lattice."""
    lattices = list(LATTICES)
    for number, (name, fault) in enumerate(FAULTS.items()):
        if only and not any(word in name for word in only):
            continue
        levels = fault.strengths if strengths == 3 else fault.strengths[1:2] or fault.strengths
        for place, strength in enumerate(levels):
            for image in range(images):
                lattice = lattices[(number + place + seed + 2 * image) % len(lattices)]
                made = case(name, strength, lattice, 1000 * seed + image, folder, size=size)
                yield name, strength, verdict(made)
                made.file.unlink(missing_ok=True)


def files(folder: Path) -> dict[str, str]:
    """Read the files and sheets of ``field_files``; what is wrong with each, "" if nothing is."""
    found = {}
    for number, (name, check) in enumerate(CASES.items()):
        place = folder / f"file-{number}"
        place.mkdir()
        try:
            found[name] = check(place)
        except UserError as error:
            found[name] = f"refused: {error}"
    return found


def given(folder: Path) -> Iterator[tuple[str, float, Verdict]]:
    """Judge the folders that hold an image, its `truth.npy` and perhaps a sheet."""
    for truth in sorted(folder.glob("*/truth.npy")):
        position = np.load(truth)[:, :2]
        near = [one for one in truth.parent.iterdir() if one.suffix in _IMAGES]
        image = next(one for one in sorted(near) if one.name != truth.name)
        distance, _ = cKDTree(position).query(position, k=2)
        nearest = float(np.median(distance[:, 1]))
        specimen = Specimen("oblique", 0, spacing=nearest)
        known = known_of(specimen, nearest) | {"polarity": ["dark", "bright"]}
        data = read.load([image])
        shape = (data.sizes["y"], data.sizes["x"])
        measured = data["measured"].values[0] if "measured" in data else np.ones(shape, bool)
        one = Case(truth.parent.name, image, position, np.zeros(len(position), int), specimen,
                   measured, known)  # fmt: skip
        one.strained = False
        yield truth.parent.name, 0, verdict(one)


def table(rows: list[tuple[str, float, Verdict]]) -> str:
    """Write the verdicts as a table, a row for each fault and strength, and below what was bad."""
    lines = [
        "| fault | strength | images | right | flagged | named | misled | silent | least F1 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    groups: dict[tuple[str, float], list[Verdict]] = {}
    for name, strength, one in rows:
        groups.setdefault((name, strength), []).append(one)
    for (name, strength), group in groups.items():
        words = [one.word for one in group]
        counts = [words.count(word) for word in (RIGHT, FLAGGED, NAMED, MISLED, SILENT)]
        shown = [f"**{n}**" if n and k > 2 else str(n or "") for k, n in enumerate(counts)]
        f1 = min(one.outcome.numbers.get("f1", np.nan) for one in group)
        lines.append(
            f"| {name} | {strength:g} | {len(group)} | " + " | ".join(shown) + f" | {f1:.3f} |"
        )
    lines += ["", *(line for name, strength, one in rows for line in detail(name, strength, one))]
    return "\n".join(lines)


def detail(name: str, strength: float, one: Verdict) -> list[str]:
    """Say in a line what was wrong and what was said about it, or falsely said."""
    said = [f"{f.kind} ({f.severity})" for f in one.outcome.said if f.kind not in BESIDE]
    if one.word == RIGHT:
        loud = [f for f in one.outcome.said if f.severity == "serious" and f.kind not in BESIDE]
        return (
            [f"* false alarm: {name} {strength:g} ({one.case}): {', '.join(said)}"] if loud else []
        )
    wrong = "; ".join(one.outcome.wrong)
    if one.outcome.refusal is not None:
        wrong = f"refused: {one.outcome.refusal}"[:200]
    mended = f"; mended by {one.remedy}" if one.remedy else ""
    return [
        f"* {one.word}: {name} {strength:g} ({one.case}): {wrong}; said: "
        f"{', '.join(dict.fromkeys(said)) or 'nothing'}{mended}"
    ]


def main(arguments: list[str] | None = None) -> int:
    """Judge, print the table, and say by the exit status whether anything was silent."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--small", action="store_true", help="one small image of each fault")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--images", type=int, default=2, help="for each fault and strength")
    options.add_argument("--only", nargs="*", default=(), help="faults whose name has a word")
    options.add_argument("--folder", type=Path, help="field cases with a truth.npy")
    options.add_argument("--out", type=Path, help="also write the table into this file")
    chosen = options.parse_args(arguments)
    how = SMALL if chosen.small else {}
    images = 1 if chosen.small else chosen.images
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        rows = list(sweep(chosen.seed, images, Path(folder), chosen.only, **how))
        read_wrong = {} if chosen.only else files(Path(folder))
    rows += list(given(chosen.folder)) if chosen.folder else []
    words = table(rows)
    for name, wrong in read_wrong.items():
        words += (
            f"\n* {'read wrong' if wrong else 'read right'}: {name}{': ' if wrong else ''}{wrong}"
        )
    bad = [one.case for _, _, one in rows if one.word in BAD]
    bad += [name for name, wrong in read_wrong.items() if wrong]
    words += (
        f"\n\n{len(rows)} images, {len(read_wrong)} files, {len(bad)} silent or badly advised,"
        f" {time.monotonic() - start:.0f} s"
    )
    print(words)
    if chosen.out:
        chosen.out.write_text(words + "\n", encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
