"""The angle that a spectrum alone says, by what the model draws at every angle.

The encoder's guess of an angle is refined by least squares on the decoded spectrum, content
included, from each of its directions; likelihoods weigh the directions, and the errors follow from
Fisher information, as for the pose of spectra (``ensemble.refine_spectra``).
"""

from __future__ import annotations

import torch
from torch import Tensor

from vaescope.models.beside import FromSpectrum, SpectrumBeside
from vaescope.models.least_squares import descend

STEPS = 12
NUDGE = 1e-2  # finite difference, in prior standard deviations and in rad
WIDEST = 1e-2  # 1/rad²: the concentration of an angle of which nothing is known


def refined_mixture(
    beside: SpectrumBeside, spectra: Tensor, alone: FromSpectrum, conditions: Tensor
) -> Tensor:
    """The mixture of directions (site, number), as ``models.beside.angle_of`` takes it.

    Parameters
    ----------
    spectra : (1, site, channel).
    alone : the encoder's guess.
    conditions : (1, site, condition).
    """
    shared = alone.content[0][0]
    own = shared.new_zeros(len(shared), beside.settings.private_spectrum)
    content = torch.cat([shared, own], -1)
    sigma = beside.log_noise()[0, 0].exp()
    precision = torch.cat([torch.ones(content.shape[1]), torch.zeros(1)])

    def residual(place: Tensor) -> Tensor:
        drawn, angle = place[:, :-1], place[:, -1]
        shown = beside.mean(drawn[None, :, None], angle[None, :, None], conditions)
        return (spectra[0] - shown[0, :, 0]) / sigma

    costs, angles, errors = [], [], []
    for start in alone.direction[0].unbind(-1):
        place = torch.cat([content, start.unsqueeze(-1)], -1)
        place = descend(residual, place, precision, STEPS, NUDGE)
        left = residual(place)
        costs.append(0.5 * (left.square().sum(1) + (place.square() * precision).sum(1)))
        steps = NUDGE * torch.eye(place.shape[1])
        slopes = torch.stack(
            [residual(place + step) - residual(place - step) for step in steps], -1
        )
        slopes = slopes / (2 * NUDGE)
        information = slopes.transpose(1, 2) @ slopes + torch.diag(precision + WIDEST)
        angles.append(place[:, -1])
        errors.append(torch.linalg.inv(information.double())[:, -1, -1].to(place.dtype))
    weight = torch.log_softmax(alone.log_weight[0] - torch.stack(costs, -1), -1)
    concentration = 1 / torch.stack(errors, -1).clamp_min(1e-8)
    return torch.cat([weight, torch.stack(angles, -1), concentration], -1)
