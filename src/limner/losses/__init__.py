"""Losses: what a network's answer costs, as differentiable functions of tensors.

In: what a network gave, what was wanted, and weights. Out: one number. No units; a body's joints in metres.
Papers: Sun et al. 2019 (HRNet); Chen et al. 2018 (hard keypoints); Kanazawa et al. 2018 (HMR);
Zhang et al. 2018 (LPIPS); Richardson et al. 2021 (pSp).
"""

from limner.losses.adversarial import adversary_fake_loss, adversary_real_loss
from limner.losses.body import (
    BODY_WEIGHTS,
    BodyLossWeights,
    align_by_hips,
    joints_3d_loss,
    keypoints_l1_loss,
    parameters_loss,
)
from limner.losses.face import (
    FACE_RECIPES,
    FaceLosses,
    FaceLossWeights,
    Likeness,
    crop_face,
    face_features,
    likeness,
    w_norm,
)
from limner.losses.joints import joints_cross_entropy, joints_mse, joints_ohkm
from limner.losses.lpips import Lpips
from limner.losses.moco import MocoFeatures
from limner.losses.motion import FOOLED, discriminator_loss, feature_distance, lsgan_loss, mask_loss, mask_smoothness
from limner.losses.perceptual import VGGFeatures, perceptual_loss, style_loss
from limner.losses.pictures import gradient_loss, structure_loss, structure_map, weighted_l1
from limner.losses.stylegan import (
    discriminator_logistic,
    generator_nonsaturating,
    path_lengths,
    path_penalty,
    r1_penalty,
)

__all__ = [
    "BODY_WEIGHTS",
    "FACE_RECIPES",
    "FOOLED",
    "BodyLossWeights",
    "FaceLossWeights",
    "FaceLosses",
    "Likeness",
    "Lpips",
    "MocoFeatures",
    "VGGFeatures",
    "adversary_fake_loss",
    "adversary_real_loss",
    "align_by_hips",
    "crop_face",
    "discriminator_logistic",
    "discriminator_loss",
    "face_features",
    "feature_distance",
    "generator_nonsaturating",
    "gradient_loss",
    "joints_3d_loss",
    "joints_cross_entropy",
    "joints_mse",
    "joints_ohkm",
    "keypoints_l1_loss",
    "likeness",
    "lsgan_loss",
    "mask_loss",
    "mask_smoothness",
    "parameters_loss",
    "path_lengths",
    "path_penalty",
    "perceptual_loss",
    "r1_penalty",
    "structure_loss",
    "structure_map",
    "style_loss",
    "w_norm",
    "weighted_l1",
]
