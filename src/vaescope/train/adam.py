"""Adam, by the fused function that ``torch.optim`` steps with.

The first optimiser that ``torch.optim`` makes imports the compiler of torch, which nothing here
uses: that takes as long as importing torch itself, in every process that trains. ``adam`` is not
documented and may change with any release, so ``TORCH`` names the one that this file was written
for; ``pyproject.toml`` requires exactly that one, and a test holds the two together and the steps
equal to those of ``torch.optim.Adam``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

TORCH = "2.13.0"


class Adam:
    """The part of ``torch.optim.Adam`` that training needs; the same steps to the last bit.

    Source: D. P. Kingma & J. Ba, Adam, ICLR (2015).

    Attributes
    ----------
    param_groups : each with its ``params`` and its learning rate ``lr``, which may change.
    state : of every parameter that was stepped, ``step``, ``exp_avg`` and ``exp_avg_sq``.
    """

    def __init__(
        self, groups: list[dict[str, Any]], *, betas: tuple[float, float], eps: float = 1e-8
    ) -> None:
        self.param_groups, self.betas, self.eps = groups, betas, eps
        self.state: dict[Tensor, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            states = [self._state_of(parameter) for parameter in moved]
            adam(
                moved,
                [parameter.grad for parameter in moved],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                [state["step"] for state in states],
                fused=True,
                amsgrad=False,
                beta1=self.betas[0],
                beta2=self.betas[1],
                lr=group["lr"],
                weight_decay=0.0,
                eps=self.eps,
                maximize=False,
            )

    def _state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        if parameter not in self.state:
            self.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }
        return self.state[parameter]
