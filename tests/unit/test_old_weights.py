"""Weights trained by an earlier version give the same numbers.

``data/old_weights`` was made by vaescope at a4c7c6b: 19 models of 24 small patches, their weights
rounded to 16 bits, with what that version said of the patches by these weights.
"""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from vaescope.ensemble.encode import encode
from vaescope.ensemble.mapping import map_latents
from vaescope.ensemble.members import load_member
from vaescope.train.data import gather

FOLDER = Path(__file__).parent / "data" / "old_weights"
MODELS = sorted(file.stem for file in FOLDER.glob("*.npz") if file.stem != "inputs")
MAPPED = [name for name in MODELS if name != "curve"]  # that version could not map curves


def patches(name: str) -> xr.Dataset:
    """The patches of a model, as in ``samples.zarr``."""
    with np.load(FOLDER / "inputs.npz") as given:
        count = len(given["patch"])
        pictures = ("site", "channel", "py", "px")
        return xr.Dataset(
            {
                "patch": (pictures, given["counts" if name == "poisson" else "patch"]),
                "truth_clean": (pictures, given["clean"]),
                "truth_kind": ("site", given["kind"]),
                "truth_tilt": ("site", given["tilt"]),
                "truth_curve": (("site", "energy"), given["curve"]),
                "frame": ("site", np.zeros(count, int)),
                "y": ("site", given["y"]),
                "x": ("site", given["x"]),
            },
            coords={
                "site": np.arange(count),
                "channel": [0],
                "py": np.arange(12),
                "px": np.arange(12),
            },
            attrs={"pitch": 1.5},
        )


def weights(name: str, folder: Path) -> dict[str, np.ndarray]:
    """Put the weights of a model into files; what its version said of the patches."""
    with np.load(FOLDER / f"{name}.npz") as given:
        for key in given.files:
            if key.startswith("file_"):
                file = folder / f"member-{key.removeprefix('file_')}.safetensors"
                file.write_bytes(given[key].tobytes())
        return {key: given[key] for key in given.files if not key.startswith("file_")}


def close(found: np.ndarray, expected: np.ndarray, name: str, steps: bool = False) -> None:
    """Equal as far as single precision goes; ``steps``: of an optimum that many steps led to.

    The last bit depends on the processor: it decides how a number kept in half precision is
    rounded, and steps of refinement that stop short of a flat optimum carry it on.
    """
    close_enough = 2e-3 if steps else 1e-3 if found.dtype == np.float16 else 2e-5
    size = float(np.abs(expected).max()) if expected.size else 0.0
    allowed = {"rtol": close_enough, "atol": close_enough * size + 1e-6}
    np.testing.assert_allclose(found, expected, **allowed, err_msg=name)


@pytest.mark.parametrize("name", MODELS)
def test_a_member_of_an_earlier_version_says_the_same_of_every_site(name, tmp_path):
    expected = weights(name, tmp_path)
    member = load_member(tmp_path / "member-0.safetensors")
    said = encode(member, gather(patches(name), member.settings, member.codec))
    checked = 0
    for key, value in expected.items():
        if key.startswith("member_0/"):
            part = key.removeprefix("member_0/")
            of_sites = getattr(said, part)[:]
            close(np.asarray(of_sites)[: len(value)], value, part, "refine" in name)
            checked += 1
    assert checked >= 7  # content, its error, bound, pose, pictures, noise


@pytest.mark.parametrize("name", MAPPED)
def test_an_ensemble_of_an_earlier_version_has_the_same_maps(name, tmp_path):
    expected = weights(name, tmp_path)
    latents = map_latents(tmp_path, patches(name), name="old")
    for key, value in expected.items():
        if key.startswith("map/"):
            found = latents[key.removeprefix("map/")]
            if found.dims[-1] == "class":  # those that no site is in are left out by now
                value = value[..., value.any(axis=tuple(range(value.ndim - 1)))]
            # The spread of an angle follows from weights of turns, kept in half precision.
            close(found.values, value, key, "refine" in name or key == "map/angle_spread")


def test_a_model_of_curves_is_mapped(tmp_path):
    weights("curve", tmp_path)
    latents = map_latents(tmp_path, patches("curve"), name="curves")
    assert latents["reconstruction"].shape == (24, 1, 1, 10)
    assert np.isfinite(latents["predictive_p"]).all()
