"""A spectrum image as a world to measure in: images known everywhere, spectra one by one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vaescope.errors import UserError
from vaescope.predict import context
from vaescope.predict.rings import ring_spectra
from vaescope.samples import pixels

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray as xr

    from vaescope.explore.tuned_encoder import PatchesSeen

COMPONENTS = 6
"""Principal components of ring spectra and of patches by which sites are described."""
ISOTROPIC = ("place",)
"""Descriptions whose features have one unit."""
WORDS = {
    "content": "content of the model",
    "members": "content of each member of the model",
    "rings": "ring spectra",
    "pixels": "principal components of the patch",
    "place": "place",
}


@dataclass(frozen=True)
class World:
    """Sites whose surroundings are known, and spectra that are looked at only when measured.

    ``descriptions`` : name -> (site, feature), what is known of every site before any spectrum.
    ``place`` (site, 2) : y, x in pixels of the image. ``pitch`` : of these from one spectrum to
    the next. ``spectra`` (site, channel) at ``axis`` (channel,). ``signal_unit``, ``axis_unit`` :
    their units. ``image_from`` : how the image was made of the spectra, if it was.
    ``patches`` : as the encoder of the content sees them, where a deep kernel is to tune it.
    """

    descriptions: dict[str, np.ndarray]
    place: np.ndarray
    spectra: np.ndarray
    axis: np.ndarray
    pitch: float = 1.0
    signal_unit: str = "1"
    axis_unit: str = "1"
    image_from: str = ""
    patches: PatchesSeen | None = None

    def __len__(self) -> int:
        return len(self.place)

    @property
    def mapped(self) -> bool:
        """Whether sites have places, rather than being the patches of a stack."""
        return bool(np.ptp(self.place, axis=0).any())

    def described(self, wanted: Iterable[str]) -> list[str]:
        """In words, by which of some descriptions sites are known."""
        own = {"members" if name.startswith("content of") else name for name in self.descriptions}
        return [WORDS[name] for name in wanted if name in own]

    def raster(self) -> np.ndarray:
        """Sites in the order in which a raster scan comes to them."""
        return np.lexsort((self.place[:, 1], self.place[:, 0]))


def of_results(
    image: xr.Dataset,
    samples: xr.Dataset,
    latents: xr.Dataset,
    wanted: Iterable[str],
) -> World:
    """The world of a dataset.

    Parameters
    ----------
    image : with `image` (time, channel, y, x). samples : with `spectrum` (site, energy) and, but
        for `place`, `patch` (site, channel, py, px). latents : of the model, for `content`.
    wanted : descriptions, of ``WORDS``.

    Raises
    ------
    UserError : there are no spectra, no patches, or no image; the spectra are of several frames of
        a movie; or nothing tells the sites apart. A description that is the same at every site is
        left out.
    """
    if "spectrum" not in samples:
        raise UserError(
            "there is nothing to measure",
            found="sites without spectra",
            remedy="Give the file with the spectra (column `spectra` of the sample sheet, or"
            " `spectra: read: true` in the recipe)",
        )
    spectra = np.asarray(samples["spectrum"].values, float)
    if "spectrum_measured" in samples:
        spectra = np.where(samples["spectrum_measured"].values.astype(bool), spectra, np.nan)
    place = np.stack([samples["y"].values, samples["x"].values], 1).astype(float)
    _refuse_movie(samples, place)
    if image.sizes.get("y") == image.sizes.get("x") == 1 and len(place) > 1:
        raise UserError(
            "nothing is known of the spectra before they are measured: there is no image",
            found="spectra without a place",
            expected="a spectrum image, or patches with a spectrum each",
            remedy="Give the image as `source` and the spectra in the column `spectra` of the"
            " sample sheet, or both in one file",
        )
    found: dict[str, np.ndarray] = {}
    for name in wanted:
        made = _described(name, image, samples, latents, place)
        found |= {one: values for one, values in made.items() if np.ptp(values, axis=0).any()}
    if not found:
        raise UserError(
            "nothing tells the sites apart before they are measured",
            found="the same " + " and ".join(WORDS[name] for name in wanted) + " at every site",
            remedy="Give an image beside the spectra, or describe sites by more (`explore:"
            " describe`)",
        )
    pitch = [float(samples.attrs.get(f"spectra_pitch_{axis}", 1.0)) for axis in "yx"]
    axis = samples["energy"] if "energy" in samples.coords else None
    return World(
        found,
        place,
        spectra,
        np.arange(spectra.shape[1]) if axis is None else np.asarray(axis.values, float),
        float(np.sqrt(pitch[0] * pitch[1])),
        str(samples["spectrum"].attrs.get("units") or "1"),
        "channel" if axis is None else str(axis.attrs.get("units") or "1"),
        str(samples.attrs.get("spectra_image_from") or ""),
    )


def _refuse_movie(samples: xr.Dataset, place: np.ndarray) -> None:
    """Refuse spectra of several frames, of which each has a map of its own."""
    frames = len(np.unique(samples["frame"].values)) if "frame" in samples else 1
    if frames > 1 and np.ptp(place, axis=0).any():
        raise UserError(
            "the spectra of a movie cannot be measured as one map",
            found=f"spectra in {frames} frames",
            expected="one spectrum image, or one spectrum for each patch of a stack",
            remedy="Save each frame as a file of its own, with its own row in the sample sheet",
        )


def _described(
    name: str, image: xr.Dataset, samples: xr.Dataset, latents: xr.Dataset, place: np.ndarray
) -> dict[str, np.ndarray]:
    if name == "place":
        return {name: place}
    if name in ("content", "members"):
        return _contents(name, latents, samples)
    if "patch" not in samples:
        raise UserError(
            f"sites cannot be described by `{name}`",
            found="spectra without patches of an image",
            remedy="Set `patches: cut: true`, or `explore: describe: [place]`",
        )
    if name == "pixels":
        return {name: components(pixels(samples).reshape(len(place), -1))}
    reach = float(samples.attrs.get("size", samples.sizes["py"])) / 2
    if "frame" in samples and samples["frame"].values.any():
        return {name: components(context.of_patches(pixels(samples).astype(float)).wide)}
    if "image" not in image:
        raise UserError(
            f"sites cannot be described by `{name}`",
            found="no image",
            remedy="Leave it out of `explore: describe`",
        )
    plane = np.asarray(image["image"].isel(time=0).values, float)
    return {name: rings(plane, place, reach)}


def _contents(name: str, latents: xr.Dataset, samples: xr.Dataset) -> dict[str, np.ndarray]:
    own = latents.sel(site=samples["site"].values) if "site" in latents.coords else latents
    if name == "content":
        return {name: np.asarray(own["consensus_content"].values, float)}
    every = own["content"].transpose("member", "site", "latent").values
    kept = own["member_kept"].values.astype(bool) if "member_kept" in own else [True] * len(every)
    return {
        f"content of member {k}": np.asarray(one, float)
        for k, (one, good) in enumerate(zip(every, kept, strict=True))
        if good
    }


def rings(image: np.ndarray, place: np.ndarray, reach: float) -> np.ndarray:
    """Ring spectra about sites, as their first principal components.

    Parameters
    ----------
    image : (channel, height, width). place : (site, 2) y, x in its pixels. reach : px.

    Returns
    -------
    (site, component) : at most ``COMPONENTS``, in units of their root mean square.
    """
    filled = np.where(np.isfinite(image), image, np.nanmedian(image, axis=(1, 2), keepdims=True))
    return components(ring_spectra(filled, place[:, 0], place[:, 1], reach), scaled=True)


def components(features: np.ndarray, *, scaled: bool = False) -> np.ndarray:
    """The first principal components (site, component) of features (site, feature), each feature
    in units of its standard deviation where they are to be ``scaled``."""
    from sklearn.decomposition import PCA

    features = np.asarray(features, float)
    if scaled:
        spread = features.std(0)
        features = (features - features.mean(0)) / np.where(spread > 0, spread, 1)
    count = min(COMPONENTS, *features.shape)
    return PCA(count, svd_solver="full").fit_transform(features)
