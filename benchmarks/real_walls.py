"""What real piezoresponse images tell of their domain walls, in numbers (docs/domain-walls.md).

    python benchmarks/real_walls.py pair=results/pzt-switching scans=… dart=… layers=… \
        funakubo=… blocky=… [--pictures docs]

reads the stores that the workflow left in these folders; any of them may be left out.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from real_mos2 import say
from scipy import ndimage

from vaescope import store
from vaescope.walls.signal import Signal, signal_of
from vaescope.walls.smooth import smooth

BLUR = 1.5  # px, of the in-phase response whose sign is compared between frames
CERTAIN = 3.0  # standard deviations of its noise, from which on a sign is sure
BESIDE = 6.0  # px from a wall
TITLES = {
    "pair": "PZT before and after switching",
    "scans": "PZT, three scans of one area",
    "dart": "DART PFM",
    "layers": "PMN-28PT at two contact resonances",
    "funakubo": "PbTiO₃ film",
    "blocky": "film with a blocky topography",
}


@dataclass(frozen=True)
class Case:
    """The stores of one dataset."""

    image: xr.Dataset
    sites: xr.Dataset

    @property
    def frames(self) -> int:
        return int(self.image.sizes["time"])

    @property
    def nm(self) -> float:
        return float(self.image.attrs["pixel_size"])

    def made(self) -> dict:
        return json.loads(self.image.attrs["piezoresponse"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", metavar="IMAGE=FOLDER")
    parser.add_argument("--pictures", type=Path, help="folder for the pictures")
    arguments = parser.parse_args()
    for given in arguments.folders:
        name, _, folder = given.partition("=")
        print(f"\n{name}: {folder}")
        case = Case(
            *(store.open(Path(folder) / f"{part}.zarr").load() for part in ("image", "sites"))
        )
        reading(case)
        walls(case)
        between(case)
        if arguments.pictures:
            draw(case, name, arguments.pictures / f"walls-{name}.png")


def reading(case: Case) -> None:
    """How amplitude and phase were put together."""
    made = case.made()
    for response in made["responses"]:
        for k, frame in enumerate(response["frames"]):
            say(
                f"{response['name']}, frame {k}: phase offset (°); areas + and -; agreement",
                f"{np.degrees(frame['offset']):.1f}; {frame['positive']:.3f},"
                f" {frame['negative']:.3f}; {frame['agreement'] or float('nan'):.3f}",
            )
        if "shift_px" in response:
            say(
                "shift of the layer (px); correlation of the heights",
                f"{response['shift_px']}; {response['height_correlation']:.3f}",
            )
    for k, frame in enumerate(made["bad_lines"]):
        lines = {kind: 0 for *_, kind in frame["stripes"]}
        for first, last, kind in frame["stripes"]:
            lines[kind] += last - first + 1
        say(f"bad lines of frame {k}", lines or "none")
    names = [str(name) for name in case.image["channel"].values]
    if "in-phase 2" in names:
        pair = [
            case.image["image"].sel(channel=name).values[0] for name in ("in-phase", "in-phase 2")
        ]
        seen = signal_of(case.image, 0).measured
        say(
            "correlation of the two in-phase responses",
            f"{np.corrcoef(*(p[seen] for p in pair))[0, 1]:.3f}",
        )
        say(
            "share of the area where their signs differ",
            f"{(np.sign(pair[0]) != np.sign(pair[1]))[seen].mean():.3f}",
        )


def walls(case: Case) -> None:
    """How many walls, how long, how well known."""
    sites = case.sites
    for k in range(case.frames):
        own = sites.isel(site=sites["frame"].values == k)
        if not own.sizes["site"]:
            say(f"frame {k}", "no walls")
            continue
        number = len(np.unique(own["wall"].values))
        length = own.sizes["site"] * float(sites.attrs["spacing"]) * case.nm / 1000
        say(
            f"frame {k}: walls; length (µm); error across (nm); |κ| (1/µm); half width (nm)",
            f"{number}; {length:.1f}; {np.median(own['normal_error']) * case.nm:.1f};"
            f" {np.median(abs(own['curvature'])) / case.nm * 1000:.0f};"
            f" {np.median(own['width']):.0f}",
        )
        say(f"  amplitude on the walls over that {BESIDE:g} px beside", f"{dip(case, own, k):.2f}")


def dip(case: Case, own: xr.Dataset, frame: int) -> float:
    """Median amplitude on walls over that beside them: 0 where the response vanishes."""
    amplitude = case.image["image"].sel(channel="amplitude").values[frame]
    place = np.stack([own["y"].values, own["x"].values])
    angle = own["direction"].values
    normal = np.stack([np.cos(angle), -np.sin(angle)])
    found = [
        np.median(
            ndimage.map_coordinates(amplitude, place + side * normal, order=1, mode="nearest")
        )
        for side in (-BESIDE, 0, BESIDE)
    ]
    return float(found[1] / ((found[0] + found[2]) / 2))


def between(case: Case) -> None:
    """Where the sign of the response changes between frames, and how far walls moved."""
    for k in range(case.frames - 1):
        drift = case.sites["drift"].values[k + 1] - case.sites["drift"].values[k]
        error = case.sites["drift_error"].values[k + 1]
        say(f"frames {k} to {k + 1}: drift (px)", f"{drift.round(2)} ± {error.round(2)}")
        for words, kept in (("", False), (" if bad lines are kept", True)):
            switched, seen = switch(case, k, kept)
            labels, count = ndimage.label(switched)
            largest = max((labels == n).sum() for n in range(1, count + 1)) if count else 0
            rows = switched.mean(1)
            say(
                f"  sign changes{words}: share; largest piece (µm²); in its five fullest rows",
                f"{switched.sum() / seen.sum():.3f} of {seen.mean():.2f};"
                f" {largest * (case.nm / 1000) ** 2:.3f};"
                f" {np.sort(rows)[-5:].sum() / max(rows.sum(), 1e-9):.2f}",
            )
        own = case.sites.isel(site=case.sites["frame"].values == k)
        moved = own["displacement"].values / own["displacement_error"].values
        known = np.isfinite(moved)
        if known.any():
            size = abs(own["displacement"].values[known])
            say(
                "  walls followed; median |displacement| (px); beyond 3 errors",
                f"{known.mean():.2f}; {np.median(size):.2f}; {(abs(moved[known]) > 3).mean():.2f}",
            )


def switch(case: Case, k: int, kept: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (y, x) of frame k whose response has the other sign in the next frame, and where both
    are known; ``kept``: bad lines count as measured."""
    signs, seen = [], []
    step = case.sites["drift"].values[k + 1] - case.sites["drift"].values[k]
    for number, move in ((k, np.zeros(2)), (k + 1, -step)):
        signal = signal_of(case.image, number)
        measured = np.ones_like(signal.measured) if kept else signal.measured
        calm = smooth(signal.in_phase - signal.level, measured, BLUR)
        sure = CERTAIN * signal.noise / (2 * np.sqrt(np.pi) * BLUR)
        calm = ndimage.shift(calm, move, order=3, mode="nearest")
        there = ndimage.shift(measured.astype(float), move, order=1, cval=0) > 0.99
        signs.append(np.where(abs(calm) > sure, np.sign(calm), 0))
        seen.append(there)
    both = seen[0] & seen[1]
    return both & (signs[0] * signs[1] < 0), both


def draw(case: Case, name: str, path: Path) -> None:
    """In-phase response of every frame and response with its walls, and changes of its sign."""
    names = [str(one) for one in case.image["channel"].values]
    second = "in-phase 2" in names
    panels = case.frames + (case.frames - 1) + second
    figure, axes = plt.subplots(1, panels, figsize=(3.6 * panels, 4.1), layout="constrained")
    axes = np.atleast_1d(axes)
    for k in range(case.frames):
        signal = signal_of(case.image, k)
        own = case.sites.isel(site=case.sites["frame"].values == k)
        title = "in-phase response" + (f", frame {k}" if case.frames > 1 else "")
        _plane(axes[k], signal.in_phase, signal, title)
        axes[k].plot(own["x"], own["y"], "k.", ms=1.6)
    if second:
        plane = case.image["image"].sel(channel="in-phase 2").values[0]
        _plane(axes[1], plane, signal_of(case.image, 0), "in-phase response 2")
    for k in range(case.frames - 1):
        switched, seen = switch(case, k)
        shown = np.where(seen, switched.astype(float), np.nan)
        axis = axes[case.frames + second + k]
        axis.imshow(shown, cmap="Purples", vmin=0, vmax=1.3)
        axis.set_facecolor("0.8")
        axis.set_title(f"sign changes, frame {k} to {k + 1}", fontsize=9)
    field = case.image.sizes["x"] * case.nm
    bar = max(one for one in (100, 200, 500, 1000, 2000, 5000) if one < field / 3)
    height, width = (case.image.sizes[name] for name in ("y", "x"))
    for axis in axes:
        axis.set(xticks=[], yticks=[], xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        axis.plot([8, 8 + bar / case.nm], [height - 8] * 2, "k-", lw=3, solid_capstyle="butt")
    white = {"facecolor": "white", "alpha": 0.8, "pad": 1, "edgecolor": "none"}
    axes[0].text(8, height - 15, f"{bar:g} nm", fontsize=8, bbox=white)
    figure.suptitle(TITLES.get(name, name), fontsize=10)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _plane(axis: plt.Axes, plane: np.ndarray, signal: Signal, title: str) -> None:
    most = np.percentile(abs(plane[signal.measured]), 98)
    shown = np.where(signal.measured, plane, np.nan)
    axis.imshow(shown, cmap="RdBu_r", vmin=-most, vmax=most)
    axis.set_facecolor("0.8")
    axis.set_title(title, fontsize=9)


if __name__ == "__main__":
    main()
