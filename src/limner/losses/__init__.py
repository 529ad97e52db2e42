"""Losses: what a network's answer costs, as differentiable functions of tensors.

In: what a network gave, what was wanted, and weights. Out: one number. No units.
Papers: Sun et al. 2019 (HRNet); Chen et al. 2018 (hard keypoints).
"""

from limner.losses.joints import joints_cross_entropy, joints_mse, joints_ohkm

__all__ = ["joints_cross_entropy", "joints_mse", "joints_ohkm"]
