"""PCA, NMF, linear unmixing and a VAE of a spectrum image of 2 GiB, in at most 4 GiB of memory.

    python benchmarks/cube.py [--side 512] [--channels 2048] [--members 1] [--unmixing]
        [--hyperspy PYTHON]

A cube of Poisson counts, float32, is written to a Zarr store in the form of a samples store. The
methods of the library run on it in a process of their own; in another, a spectrum-vae of
``--members`` is trained on it and maps all of its spectra. With ``--hyperspy``, the Python of an
environment that has it, HyperSpy's decompositions into as many components run beside them, on the
lazy signal. ``results/cube.csv``: seconds, seconds of the processor, and the greatest resident
memory (MiB) of each process.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

TABLE = Path(__file__).parent / "results" / "cube.csv"
COMPONENTS = 4
LIMIT_MIB = 4096

OWN = """
import json, resource, sys, time
import xarray as xr
from vaescope import baselines
began = time.perf_counter()
samples = xr.open_zarr(sys.argv[1], consolidated=False)
asked = {"methods": sys.argv[3:], "components": int(sys.argv[2])}
found, seconds = baselines.run(samples, asked)
assert not found["failed"].any(), found["note"].values
print(json.dumps({
    **{f"{name} (s)": round(value, 1) for name, value in seconds.items()},
    "seconds": round(time.perf_counter() - began, 1),
    "cpu": round(time.process_time(), 1),
    "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
"""
VAE = """
import json, resource, sys, time
from pathlib import Path
import xarray as xr
from vaescope import ensemble, store, train
began = time.perf_counter()
samples = xr.open_zarr(sys.argv[1], consolidated=False)
folder = Path(sys.argv[2])
own = {"variant": "spectrum-vae", "latent": 2}
train.fit(
    samples, own, members=range(int(sys.argv[3])), seed=0,
    out=folder / "members", checkpoints=folder / "checkpoints",
)
trained = time.perf_counter()
latents = ensemble.map_latents(folder / "members", samples, name="vae")
store.write(latents, folder / "latents.zarr", provenance={})
print(json.dumps({
    "training (s)": round(trained - began, 1),
    "mapping (s)": round(time.perf_counter() - trained, 1),
    "seconds": round(time.perf_counter() - began, 1),
    "cpu": round(time.process_time(), 1),
    "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
"""
HYPERSPY = """
import json, resource, sys, time
import dask.array as da
import hyperspy.api as hs
began = time.perf_counter()
data = da.from_zarr(sys.argv[1], component="spectrum")
side = int(round(len(data) ** 0.5))
signal = hs.signals.Signal1D(data.reshape(side, side, -1)).as_lazy()
signal.decomposition(
    normalize_poissonian_noise=True, algorithm=sys.argv[3], output_dimension=int(sys.argv[2])
)
print(json.dumps({
    "seconds": round(time.perf_counter() - began, 1),
    "cpu": round(time.process_time(), 1),
    "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
"""


def write(path: Path, side: int, channels: int) -> None:
    """A samples store of ``side``² mixtures of peaks, written in blocks."""
    import zarr

    rng = np.random.default_rng(0)
    axis = np.linspace(0, 1, channels)
    spectra = np.full((COMPONENTS, channels), 0.5)
    for spectrum in spectra:
        for _ in range(4):
            centre, width = rng.uniform(0.05, 0.95), rng.uniform(0.005, 0.03)
            spectrum += 10 * np.exp(-0.5 * ((axis - centre) / width) ** 2)
    group = zarr.open_group(str(path), mode="w", attributes={"spectra_counts": 1})
    sites, lines = side**2, max(2**25 // (4 * channels), 1)
    counts = group.create_array(
        "spectrum",
        shape=(sites, channels),
        chunks=(lines, channels),
        dtype="float32",
        compressors=None,
        dimension_names=("site", "energy"),
    )
    for start in range(0, sites, lines):
        stop = min(start + lines, sites)
        shares = rng.dirichlet(np.ones(COMPONENTS), stop - start)
        counts[start:stop] = rng.poisson(shares @ spectra).astype(np.float32)
    place = np.divmod(np.arange(sites), side)
    columns = {
        "site": np.arange(sites),
        "frame": np.zeros(sites, int),
        "y": place[0],
        "x": place[1],
    }
    for name, values in columns.items():
        made = group.create_array(
            name, shape=values.shape, dtype=values.dtype, dimension_names=("site",)
        )
        made[:] = values
    energy = group.create_array(
        "energy", shape=(channels,), dtype="float64", dimension_names=("energy",)
    )
    energy[:] = np.arange(channels)


def measured(python: str, code: str, *arguments: str) -> dict[str, float]:
    """What a program prints in its last line, run by this or another Python."""
    command = [python, "-W", "ignore", "-c", code, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--channels", type=int, default=2048)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--unmixing", action="store_true", help="unmixing too, which takes longest")
    parser.add_argument("--hyperspy", metavar="PYTHON")
    asked = parser.parse_args()
    size = f"{asked.side} x {asked.side} x {asked.channels}"
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        path = Path(folder) / "samples.zarr"
        write(path, asked.side, asked.channels)
        rows: list[dict[str, Any]] = []
        for methods in (("pca", "nmf"), ("unmixing",))[: 1 + asked.unmixing]:
            own = measured(sys.executable, OWN, str(path), str(COMPONENTS), *methods)
            rows.append({"contender": f"vaescope: {', '.join(methods)}", "size": size, **own})
            print(rows[-1], flush=True)
        found = measured(sys.executable, VAE, str(path), folder, str(asked.members))
        rows.append({"contender": f"vaescope: VAE, {asked.members} members", "size": size, **found})
        print(rows[-1], flush=True)
        for algorithm in ("SVD", "NMF") if asked.hyperspy else ():
            theirs = measured(asked.hyperspy, HYPERSPY, str(path), str(COMPONENTS), algorithm)
            rows.append({"contender": f"HyperSpy: {algorithm}", "size": size, **theirs})
            print(rows[-1], flush=True)
    keys = ("contender", "size", "seconds", "cpu", "mib")
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=keys, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    most = max(row["mib"] for row in rows if row["contender"].startswith("vaescope"))
    print("within" if most <= LIMIT_MIB else "beyond", f"{LIMIT_MIB} MiB")


if __name__ == "__main__":
    main()
