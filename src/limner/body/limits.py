"""How far the joints of a person turn, and how they usually stand: limits and a plain prior on rotation vectors.

Numbers are radians in the body's rest axes (x left, y up, z forward) for the left side; the right side mirrors them.
A knee bends about +x only and a left elbow about -y only, which is what keeps a fit from folding limbs the wrong way.
The ranges follow the usual clinical ones, widened where a rotation vector mixes bend and twist.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from limner.body.rotations import MIRROR_JOINTS
from limner.body.smpl import JOINT_NAMES, NUM_JOINTS

__all__ = ["ACTIVE_JOINTS", "joint_limits", "plain_prior", "standing_spread"]

# The joints that keypoints can tell: not the balls of the feet and not the fingers.
ACTIVE_JOINTS = tuple(j for j, name in enumerate(JOINT_NAMES) if not name.endswith(("foot", "hand")))

# joint: (lowest x y z), (highest x y z)
_LIMITS = {
    "left_hip": ((-2.4, -0.8, -0.6), (0.6, 1.0, 1.2)),
    "left_knee": ((-0.02, -0.25, -0.2), (2.6, 0.25, 0.2)),
    "left_ankle": ((-0.6, -0.45, -0.4), (0.9, 0.45, 0.4)),
    "spine1": ((-0.4, -0.4, -0.4), (0.7, 0.4, 0.4)),
    "spine2": ((-0.3, -0.4, -0.3), (0.5, 0.4, 0.3)),
    "spine3": ((-0.3, -0.4, -0.3), (0.4, 0.4, 0.3)),
    "neck": ((-0.5, -0.7, -0.5), (0.7, 0.7, 0.5)),
    "head": ((-0.5, -0.7, -0.5), (0.6, 0.7, 0.5)),
    "left_collar": ((-0.3, -0.4, -0.25), (0.3, 0.4, 0.6)),
    "left_shoulder": ((-2.2, -2.4, -1.9), (2.2, 1.6, 1.9)),
    "left_elbow": ((-1.6, -2.7, -0.6), (1.6, 0.02, 0.6)),
    "left_wrist": ((-1.3, -0.6, -1.2), (1.3, 0.6, 1.2)),
}

# joint: (mean x y z), (spread x y z); a person who stands, arms hanging
_PRIOR = {
    "left_hip": ((-0.05, 0.0, 0.05), (0.6, 0.35, 0.3)),
    "left_knee": ((0.08, 0.0, 0.0), (0.6, 0.1, 0.1)),
    "left_ankle": ((0.0, 0.0, 0.0), (0.25, 0.2, 0.15)),
    "spine1": ((0.0, 0.0, 0.0), (0.22, 0.2, 0.15)),
    "spine2": ((0.0, 0.0, 0.0), (0.15, 0.2, 0.12)),
    "spine3": ((0.0, 0.0, 0.0), (0.12, 0.2, 0.12)),
    "neck": ((0.0, 0.0, 0.0), (0.25, 0.3, 0.2)),
    "head": ((0.0, 0.0, 0.0), (0.25, 0.3, 0.2)),
    "left_collar": ((0.0, 0.0, 0.0), (0.1, 0.12, 0.12)),
    "left_shoulder": ((0.0, -0.15, -1.15), (0.5, 0.5, 0.6)),
    "left_elbow": ((0.0, -0.35, 0.0), (0.5, 0.6, 0.2)),
    "left_wrist": ((0.0, 0.0, 0.0), (0.35, 0.2, 0.3)),
}
_MIRROR = np.array([1.0, -1.0, -1.0])


def joint_limits() -> tuple[Float[ndarray, "24 3"], Float[ndarray, "24 3"]]:
    """Return the lowest and highest rotation vector of every joint; the root and unlisted joints are free."""
    low, high = np.full((NUM_JOINTS, 3), -np.inf), np.full((NUM_JOINTS, 3), np.inf)
    for name, (lowest, highest) in _LIMITS.items():
        joint = JOINT_NAMES.index(name)
        low[joint], high[joint] = lowest, highest
        other = MIRROR_JOINTS[joint]
        if other != joint:
            ends = np.array(lowest) * _MIRROR, np.array(highest) * _MIRROR
            low[other], high[other] = np.minimum(*ends), np.maximum(*ends)
    return low, high


def plain_prior() -> tuple[Float[ndarray, "24 3"], Float[ndarray, "24 3"]]:
    """Return mean and spread of every joint's rotation vector; the root's spread is infinite."""
    mean, spread = np.zeros((NUM_JOINTS, 3)), np.full((NUM_JOINTS, 3), np.inf)
    for name, (middle, width) in _PRIOR.items():
        joint = JOINT_NAMES.index(name)
        other = MIRROR_JOINTS[joint]
        mean[joint], spread[joint] = middle, width
        if other != joint:
            mean[other], spread[other] = np.array(middle) * _MIRROR, width
    return mean, spread


def standing_spread() -> Float[ndarray, "24 3"]:
    """Return how far the legs of a person who stands bend, by rotation vectors; infinite for all other angles.

    Seen from the front a bend of 30 degrees moves a knee by a few pixels only, and the locator's world landmarks bend
    the knees of standing people by 20 to 25 degrees; so a leg that is nearly straight is taken to be straight.
    """
    spread = np.full((NUM_JOINTS, 3), np.inf)
    for side in ("left", "right"):
        spread[JOINT_NAMES.index(f"{side}_knee"), 0] = 0.12
        spread[JOINT_NAMES.index(f"{side}_hip"), 0] = 0.2
    return spread
