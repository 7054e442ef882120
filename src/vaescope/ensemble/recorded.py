"""The photometric pose of sites: how bright, how contrasty and how shaded each patch was recorded.

Nothing says how bright a canonical picture is: a model may draw it twice as bright and halve all
gains. So maps show what does not depend on that, of the picture as each site shows it: the contrast
of the patch (standard deviation over its pixels, in units of that of a typical site), its mean
brightness, and how its brightness slopes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vaescope.models import pose
from vaescope.models.family import Family
from vaescope.models.photometry import PhotometricPosterior, Photometry

NUMBERS = "photometry"
"""Array (site, channel, number) of a member: the photometric pose as the model has it."""


def photometric_pose(
    model: Family, shown: Tensor, target: Tensor, known: Tensor | None = None
) -> PhotometricPosterior:
    """The photometric pose (1, site, turn, channel, …) of targets.

    Parameters
    ----------
    shown : (1, site, turn, channel, height, width), what content and geometric pose draw.
    target : (1, site, channel, height, width).
    known : (site, height, width), pixels of the target that were measured; None: all.
    """
    own = _of(model)
    seen, where = counted_pixels(model, target, known)
    counted = pose.pixels(shown, model.counted)
    return own.fit(counted, seen.unsqueeze(2), model.log_noise(), where)


def counted_pixels(
    model: Family, target: Tensor, known: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Targets at the pixels that count (1, site, channel, pixel), and which of them were measured
    (1, site, 1, 1, pixel), None if all; shapes as of ``photometric_pose``."""
    seen = pose.pixels(target, model.counted)
    if known is None:
        return seen, None
    return seen, pose.pixels(known, model.counted)[None, :, None, None].to(seen.dtype)


def on_sites(
    model: Family, shown: Tensor, target: Tensor, known: Tensor | None = None
) -> dict[str, Tensor]:
    """What is known of the photometric pose of sites: ``NUMBERS``, and of each part of it the value
    and ``NAME_sd`` (site,), of several channels (site, channel), of the slope (…, 2) as (y, x).

    ``shown`` (1, site, 1, channel, height, width); others as of ``photometric_pose``.
    """
    own = _of(model)
    found = photometric_pose(model, shown, target, known)
    picture = pose.pixels(shown, model.counted)[0, :, 0]
    mean, covariance = found.mean[0, :, 0], found.covariance[0, :, 0]
    out = {NUMBERS: mean}
    gain = mean[..., 0] + 1 if own.gain else torch.ones_like(picture[..., 0])
    level = picture.mean(-1)
    x, y = (pose.points(tuple(model.target[1:]))[k, model.counted] for k in (0, 1))
    lean = torch.stack([picture @ axis / axis.square().sum() for axis in (x, y)], -1)
    parts = {
        "gain": picture.std(-1).unsqueeze(-1),
        "background": level.unsqueeze(-1),
        "slope": lean,
    }
    place = int(own.gain)
    for part in own.parts:
        of_picture = parts[part.name]
        size = of_picture.shape[-1]
        value = gain.unsqueeze(-1) * of_picture
        jacobian = torch.zeros(*value.shape, own.size)
        if own.gain:
            jacobian[..., 0] = of_picture
        if part.name != "gain":
            value = value + mean[..., place : place + size]
            jacobian[..., place : place + size] = torch.eye(size)
            place += size
        variance = (jacobian @ covariance * jacobian).sum(-1)
        for name, numbers in ((part.name, value), (f"{part.name}_sd", variance.sqrt())):
            numbers = numbers.flip(-1) if size > 1 else numbers.squeeze(-1)
            out[name] = numbers.squeeze(1) if model.target[0] == 1 else numbers
    return out


def _of(model: Family) -> Photometry:
    assert model.photometry is not None
    return model.photometry
