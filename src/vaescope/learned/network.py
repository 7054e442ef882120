"""The network of a detector: a small U-Net from an image to maps of what is sought in it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

HALVINGS = 3
"""How often the U-Net halves its picture; sides are multiples of 2 to this power."""
REACH = 56
"""px, beyond which a pixel does not change the map (a test measures it)."""


class UNet(nn.Module):
    """Predict maps from a picture, the first that of what is sought.

    Batch normalisation keeps running statistics: what the trained network says of a pixel does not
    depend on the size of the picture around it.

    Parameters
    ----------
    channels : width of the first layers.
    maps : what the network predicts for each pixel.

    Source: O. Ronneberger et al., MICCAI 2015 (arXiv:1505.04597).
    """

    def __init__(self, channels: int, maps: int = 1) -> None:
        super().__init__()
        widths = [channels, 2 * channels, 4 * channels, 4 * channels]
        self.down = nn.ModuleList(
            nn.Sequential(_layer(before, after), _layer(after, after))
            for before, after in zip([1, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(
            _layer(widths[level + 1] + widths[level], widths[level]) for level in range(HALVINGS)
        )
        self.last = nn.Conv2d(channels, maps, 1)
        assert self.last.bias is not None
        nn.init.constant_(self.last.bias[:1], -3.0)  # what is sought is rare

    def forward(self, picture: Tensor) -> Tensor:
        """(batch, 1, height, width) -> (batch, maps, height, width) logits."""
        seen = []
        for level, block in enumerate(self.down):
            if level:
                picture = functional.max_pool2d(picture, 2)
            picture = block(picture)
            seen.append(picture)
        for level in reversed(range(HALVINGS)):
            finer = functional.interpolate(picture, scale_factor=2, mode="nearest")
            picture = self.up[level](torch.cat([finer, seen[level]], dim=1))
        return self.last(picture)


def _layer(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


@torch.no_grad()
def round_weights(model: UNet) -> UNet:
    """Round the weights of convolutions, in place, to the half precision in which they are stored:
    a relative change of 0.0005, far below what training leaves open."""
    for values in model.parameters():
        if values.ndim == 4:
            values.copy_(values.half())
    return model


def in_half(model: UNet) -> dict[str, Tensor]:
    """The state of a network whose weights were rounded, these in half precision."""
    state = model.state_dict()
    return {name: values.half() if values.ndim == 4 else values for name, values in state.items()}


def best_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
