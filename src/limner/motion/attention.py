"""How much of each source a place takes: attention over the warped features of several photos.

Notation: for one pixel x is the painted pose's feature, s_i that of photo i warped onto it, C its channels; the share
of photo i is a_i = softmax over i of (q x) . (k s_i) / sqrt(C), among the photos whose flow reaches that pixel.
`SourceMix` adds the sum of a_i s_i to x, so one photo, or photos that reach different pixels, give exactly the plain
sum. `SourceSpade` lets it set scale and shift of the normalised x.
Source: Liu et al. 2021, "Liquid Warping GAN with Attention", sections 3.3 and 3.4; Park et al. 2019 (SPADE).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

SPADE_HIDDEN = 128
_UNREACHED = -1e4


class SourceMix(nn.Module):
    """Adds a weighted mean of the sources; it starts with equal weights.

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fq = nn.Conv2d(width, width, 1)
        self.fk = nn.Conv2d(width, width, 1)
        for weight in self.fq.parameters():
            nn.init.zeros_(weight)

    def forward(
        self,
        x: Float[Tensor, "B C H W"],
        warped: Sequence[Float[Tensor, "B C H W"]],
        reached: Sequence[Bool[Tensor, "B 1 H W"]],
    ) -> Float[Tensor, "B C H W"]:
        """Return x with what the sources say.

        Args:
            x: the painted pose's features.
            warped: each source's, warped onto the pose.
            reached: where each source's flow points into its picture.
        """
        return x + _gathered(_shares(self.fq(x), [self.fk(one) for one in warped], reached), warped)


class SourceSpade(nn.Module):
    """Sets scale and shift of the normalised features by a weighted mean of the sources.

    Args:
        width: channels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fq, self.fk, self.fv = (nn.Conv2d(width, width, 1) for _ in range(3))
        self.norm = nn.InstanceNorm2d(width)
        self.shared = nn.Sequential(nn.Conv2d(width, SPADE_HIDDEN, 3, padding=1), nn.ReLU(inplace=True))
        self.gamma, self.beta = (nn.Conv2d(SPADE_HIDDEN, width, 3, padding=1) for _ in range(2))

    def forward(
        self,
        x: Float[Tensor, "B C H W"],
        warped: Sequence[Float[Tensor, "B C H W"]],
        reached: Sequence[Bool[Tensor, "B 1 H W"]],
    ) -> Float[Tensor, "B C H W"]:
        """Return norm(x) (1 + gamma) + beta; arguments as in `SourceMix`."""
        shares = _shares(self.fq(x), [self.fk(one) for one in warped], reached)
        hidden = self.shared(_gathered(shares, [self.fv(one) for one in warped]))
        return self.norm(x) * (1 + self.gamma(hidden)) + self.beta(hidden)


def _shares(query: Tensor, keys: Sequence[Tensor], reached: Sequence[Tensor]) -> Float[Tensor, "N B 1 H W"]:
    likeness = torch.stack([(query * key).sum(dim=1, keepdim=True) for key in keys]) / query.shape[1] ** 0.5
    return torch.softmax(likeness.masked_fill(~torch.stack(list(reached)), _UNREACHED), dim=0)


def _gathered(shares: Float[Tensor, "N B 1 H W"], values: Sequence[Tensor]) -> Float[Tensor, "B C H W"]:
    return (shares * torch.stack(list(values))).sum(dim=0)
