"""Helpers for the tests of reading: a picture with atoms, and files of several formats."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"


def atoms(height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """(height, width) float64 between 0 and 200: a square lattice with a little noise."""
    y, x = np.mgrid[:height, :width]
    lattice = (1 + np.cos(2 * np.pi * y / 9)) * (1 + np.cos(2 * np.pi * x / 9.5)) * 45
    return lattice + np.random.default_rng(seed).uniform(0, 20, (height, width))


def write_zspy(path: Path, made: dict[str, Any]) -> None:
    """Write what HyperSpy writes: RosettaSciIO's own writer does not know Zarr 3 yet."""
    import zarr

    store = zarr.open_group(path, mode="w", zarr_format=2)
    store.attrs.update(file_format="ZSpy", file_format_version="3.3")
    experiment = store.create_group("Experiments/HAADF")
    experiment.attrs.update(made["package_info"])
    for k, axis in enumerate(made["axes"]):
        experiment.create_group(f"axis-{k}").attrs.update(axis)
    for name in ("metadata", "original_metadata"):
        for key, facts in made[name].items():
            experiment.create_group(f"{name}/{key}").attrs.update(facts)
    experiment.create_group("learning_results")
    experiment.create_array("data", data=made["data"])


def write_velox(path: Path, images: dict[str, np.ndarray], side: float = 5e-11) -> None:
    """Write what Velox writes: an image of each detector by name, ``side`` metres per pixel.

    As in files whose list of operations is gone, which RosettaSciIO has no titles for.
    """
    import h5py

    with h5py.File(path, "w") as file:
        text = h5py.string_dtype()
        file.create_dataset("Version", data=['{"format": "Velox", "version": "1.6"}'], dtype=text)
        file.create_group("Operations/ImageQueryOperation")
        for k, (name, image) in enumerate(images.items()):
            key, label = f"{k:032x}", f"{k + 100:032x}"
            facts = {
                "Core": {"MetadataDefinitionVersion": "7.9"},
                "Instrument": {"Manufacturer": "FEI", "InstrumentModel": "Titan"},
                "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "1500000000"}},
                "Optics": {"AccelerationVoltage": "300000", "CameraLength": "0.1"},
                "BinaryResult": {
                    "PixelSize": {"width": str(side), "height": str(side)},
                    "PixelUnitX": "m",
                    "PixelUnitY": "m",
                    "Offset": {"x": "0", "y": "0"},
                    "Detector": name,
                    "DetectorIndex": str(k),
                },
                "Scan": {"DwellTime": "1e-6", "FrameTime": "1.5"},
                "Detectors": {f"Detector-{k}": {"DetectorName": name, "Enabled": "true"}},
                "Stage": {"Position": {"x": "0", "y": "0", "z": "0"}, "AlphaTilt": "0"},
                "CustomProperties": {},
            }
            raw = np.frombuffer(json.dumps(facts).encode().ljust(60000, b"\0"), "u1")
            file[f"Data/Image/{key}/Data"] = image[..., None]
            file[f"Data/Image/{key}/Metadata"] = raw[:, None]
            shown = {"id": label, "display": {"label": name}, "dataPath": f"/Data/Image/{key}"}
            file.create_dataset(
                f"Displays/ImageDisplay/{label}", data=[json.dumps(shown)], dtype=text
            )


def write_ibw(path: Path, layers: np.ndarray, names: list[str], note: str) -> None:
    """Write a version 5 Igor wave of float32 ``layers`` (x, y, layer), 4 nm per pixel.

    The labels carry remains of older names behind their zeros, as Asylum's do.
    """
    labels = b"".join(
        (word.encode() + b"\0" + b"Retrace").ljust(32, b"\0")[:32] for word in ["", *names]
    )
    numbers = layers.astype("<f4").tobytes(order="F")
    wave = struct.pack("<IIIihh6sh32s", 0, 0, 0, layers.size, 2, 0, b"", 1, b"scan")
    wave += struct.pack("<iI4i4d4d", 0, 0, *layers.shape, 0, 4e-9, 4e-9, 1, 1, 0, 0, 0, 0)
    wave += b"m\0\0\0" + b"m\0\0\0" * 2 + bytes(8)
    wave = wave.ljust(320, b"\0")
    sizes = (320 + len(numbers), 0, len(note), 0, 0, 0, 0, 0, 0, 0, len(labels), 0, 0, 0, 0)
    head = struct.pack("<hh15i", 5, 0, *sizes)
    total = int(np.frombuffer(head + wave, "<i2").sum(dtype=np.int64))
    check = struct.pack("<H", -total % 2**16)  # all 16-bit words of both headers add up to nought
    path.write_bytes(head[:2] + check + head[4:] + wave + numbers + note.encode() + labels)


def signal(data: np.ndarray, title: str = "HAADF", **axes: Any) -> dict[str, Any]:
    """What RosettaSciIO writes: ``axes`` maps names to (scale, unit, navigate)."""
    return {
        "data": data,
        "axes": [
            {
                "_type": "UniformDataAxis",
                "name": name,
                "size": size,
                "scale": scale,
                "offset": 0.0,
                "units": unit,
                "navigate": navigate,
                "index_in_array": k,
                "is_binned": False,
            }
            for k, (size, (name, (scale, unit, navigate))) in enumerate(
                zip(data.shape, axes.items(), strict=True)
            )
        ],
        "metadata": {"General": {"title": title}, "Signal": {"signal_type": ""}},
        "original_metadata": {"instrument": {"voltage": 200}},
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {},
        "models": {},
        "package_info": {"package": "vaescope", "package_version": "0"},
        "tmp_parameters": {},
    }
