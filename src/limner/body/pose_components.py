"""The pose mixture as the fitter uses it: over the joints that keypoints tell, with broader components."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from limner.body.limits import ACTIVE_JOINTS
from limner.body.priors import load_pose_mixture

__all__ = ["PoseComponents", "pose_components"]

_BREADTH = 0.15  # radians by which every component is broadened


@dataclass(frozen=True)
class PoseComponents:
    """The pose mixture over the joints that are fitted.

    Attributes:
        means: radians.
        precisions: inverse covariances, broadened.
        offsets: what each component adds to the energy; the least is 0.
    """

    means: Float[ndarray, "C D"]
    precisions: Float[ndarray, "C D D"]
    offsets: Float[ndarray, "C"]


@lru_cache(maxsize=1)
def pose_components() -> PoseComponents:
    """Return the mixture that comes with limner, without the joints that no keypoint tells, and broadened.

    The mixture knows the recorded poses only; without the breadth it would hold a dancer to the walk next to the dance.
    """
    mixture = load_pose_mixture()
    kept = np.concatenate([3 * (joint - 1) + np.arange(3) for joint in ACTIVE_JOINTS[1:]])
    covars = np.linalg.inv(mixture.precisions.numpy().astype(np.float64))[:, kept[:, None], kept]
    covars = covars + _BREADTH**2 * np.eye(len(kept))
    offsets = 0.5 * np.linalg.slogdet(covars)[1]
    return PoseComponents(
        mixture.means.numpy().astype(np.float64)[:, kept], np.linalg.inv(covars), offsets - offsets.min()
    )
