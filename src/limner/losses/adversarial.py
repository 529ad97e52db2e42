"""Adversarial losses of HMR: least squares, summed over the adversary's outputs, averaged over the people.

Source: Kanazawa et al. 2018, section 3.3 (after Mao et al. 2017, least-squares GAN); akanazawa/hmr `src/trainer.py`.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from limner.checks import check_shape

__all__ = ["adversary_fake_loss", "adversary_real_loss"]


def adversary_real_loss(judged: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
    """Return how far judgements are from "real", which is 1.

    It is the adversary's loss on real people, and the encoder's on its own people of all corrections together.

    Raises:
        ShapeError: there is no axis of people or of outputs.
    """
    check_shape(judged, "judged", ("N", "D"))
    return (judged - 1).square().sum(1).mean()


def adversary_fake_loss(judged: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
    """Return how far judgements are from "made up", which is 0: the adversary's loss on the encoder's people.

    Raises:
        ShapeError: there is no axis of people or of outputs.
    """
    check_shape(judged, "judged", ("N", "D"))
    return judged.square().sum(1).mean()
