"""Content and pose of every spectrum, brought from the encoder's guess to where the bound is
largest, with the errors that Fisher information gives them there.

Least squares of the signed roots of the deviance is maximum likelihood, of counts as well as of
Gaussian noise; with the priors it is the mode of the posterior, whose inverse Fisher information is
the covariance of content and pose together (Bishop, Pattern Recognition and Machine Learning, 2006,
section 4.4). An error of the shift therefore contains what content, gain and background could
explain of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from vaescope.models.elbo import Weights
from vaescope.models.family import Family
from vaescope.models.least_squares import descend

STEP = 1e-3  # finite difference, in prior standard deviations
GRID = 1.0  # channels between the shifts from which a refinement can start
REACH = 3.0  # prior standard deviations to which they go


@dataclass(frozen=True)
class SpectrumFit:
    """The latents of some spectra as unknowns (site, number)."""

    model: Family
    target: Tensor  # (site, signal, channel)
    known: Tensor | None  # (site, 1, channel), 1 or 0
    conditions: Tensor
    latents: dict[str, Tensor]

    @property
    def sizes(self) -> list[int]:
        return [latent.shape[-1] for latent in self.latents.values()]

    @property
    def columns(self) -> dict[str, slice]:
        """Where the unknowns of each latent stand."""
        ends = list(accumulate(self.sizes))
        return {
            name: slice(end - size, end)
            for name, size, end in zip(self.latents, self.sizes, ends, strict=True)
        }

    @property
    def start(self) -> Tensor:
        return torch.cat(list(self.latents.values()), -1)[0, :, 0]

    def prior_sd(self) -> Tensor:
        """Standard deviation (number,) of the prior of every unknown, as the bound weighs it."""
        final = Weights.of(self.model.settings)
        beta, dear = max(float(final.beta), 1e-6), max(float(final.content), 1e-6)
        prior = [
            torch.full((n,), dear**-0.5 if name == "content" else self.model.prior_sd(name))
            for n, name in zip(self.sizes, self.latents, strict=True)
        ]
        return torch.cat(prior) / beta**0.5

    def split(self, place: Tensor) -> dict[str, Tensor]:
        """Unknowns (site, number) as latents: name -> (1, site, 1, size)."""
        parts = place[None, :, None].split(self.sizes, dim=-1)
        return dict(zip(self.latents, parts, strict=True))

    def mean(self, place: Tensor) -> Tensor:
        """Mean (site, signal, channel) of the spectra for unknowns (site, number)."""
        here = self.split(place)
        turn = torch.zeros(1, len(place), 1)
        poses = self.model.poses(turn, here)
        shown = self.model.decode_rows(here["content"], poses, self.conditions)
        return self.model.likelihood.mean(shown)[0, :, 0, :, 0]

    def noise(self) -> Tensor:
        return self.model.log_noise()[0].detach().exp()

    def residual(self, place: Tensor) -> Tensor:
        """Signed roots of the deviance (site, datum)."""
        root = self.model.likelihood.signed_root(self.mean(place), self.target, self.noise())
        return (root if self.known is None else root * self.known).flatten(1)

    def slopes(self, place: Tensor, nudge: Tensor) -> Tensor:
        """Derivatives (site, datum, number) of the mean over its standard deviation."""
        here = self.mean(place)
        sd = self.model.likelihood.variance(here, self.noise()).sqrt()
        rows = []
        for step in nudge * torch.eye(len(nudge)):
            apart = (self.mean(place + step) - self.mean(place - step)) / sd
            rows.append((apart if self.known is None else apart * self.known).flatten(1))
        return torch.stack(rows, -1) / (2 * nudge)

    def cost(self, place: Tensor, sd: Tensor) -> Tensor:
        """Twice the negative logarithm (site,) of the posterior at unknowns (site, number)."""
        return self.residual(place).square().sum(1) + (place / sd).square().sum(1)

    def information(self, place: Tensor, sd: Tensor) -> Tensor:
        """Fisher information (site, number, number) of the unknowns, prior included."""
        slopes = self.slopes(place, STEP * sd)
        return slopes.transpose(1, 2) @ slopes + torch.diag(sd**-2)


def refine_spectra(
    model: Family,
    target: Tensor,
    latents: dict[str, Tensor],
    conditions: Tensor,
    known: Tensor | None = None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Refine all latents of spectra by ``model.settings.refine`` steps.

    Parameters
    ----------
    target : (site, signal, 1, channel); sites whose target is not finite stay as they are.
    latents : name -> (1, site, 1, size), ``content`` among them.
    conditions : (1, site, condition).
    known : (site, 1, channel), channels that were measured; None: all.

    Returns
    -------
    The latents, moved, and their standard deviations (site, size) by name.
    """
    seen = None if known is None else known.to(target.dtype)
    problem = SpectrumFit(model, target[:, :, 0], seen, conditions, latents)
    sd = problem.prior_sd()
    start = problem.start
    search = _of_best_shift if "shift" in latents else _descended
    place = search(problem, start, sd, model.settings.refine)
    information = problem.information(place, sd)
    finite = information.isfinite().all((1, 2))
    information = torch.where(finite[:, None, None], information, torch.diag(sd**-2))
    covariance = torch.linalg.inv(information.double()).to(place.dtype)
    errors = covariance.diagonal(dim1=1, dim2=2).clamp_min(0).sqrt()
    found = problem.split(place)
    spreads = {name: value[0, :, 0] for name, value in problem.split(errors).items()}
    for name, following in model.open_pose.items():
        of_content = found["content"][0, :, 0].square() @ following.square()
        spreads[name] = torch.sqrt(spreads[name].square() + of_content.unsqueeze(-1))
    return found, spreads


def _descended(problem: SpectrumFit, start: Tensor, sd: Tensor, steps: int) -> Tensor:
    """Unknowns (site, number) where the posterior is largest."""
    return descend(problem.residual, start, sd**-2, steps, STEP * sd)


def _of_best_shift(problem: SpectrumFit, start: Tensor, sd: Tensor, steps: int) -> Tensor:
    """The same, from the shift of a grid that explains each spectrum best: sharp lines that do not
    overlap give no slope to follow. All else starts as the encoder guesses, and as in the typical
    spectrum: where the encoder is wrong about a shift, it is about the content too."""
    column = problem.columns["shift"].start
    reach = REACH * float(sd[column])
    count = int(min(max(round(reach / GRID), 1), 64))

    def best_of(guess: Tensor) -> Tensor:
        best, least = guess, problem.cost(guess, sd)
        for shift in torch.linspace(-reach, reach, 2 * count + 1):
            tried = guess.clone()
            tried[:, column] = shift
            here = problem.cost(tried, sd)
            better = here < least
            best = torch.where(better[:, None], tried, best)
            least = torch.where(better, here, least)
        return best

    guesses = best_of(start), best_of(torch.zeros_like(start))
    first, second = (_descended(problem, guess, sd, steps) for guess in guesses)
    better = problem.cost(second, sd) < problem.cost(first, sd)
    return torch.where(better[:, None], second, first)
