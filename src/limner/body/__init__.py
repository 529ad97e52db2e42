"""body: keypoints or shape and pose numbers in, a posed body mesh and its camera out.

In: keypoints in pixels, or rotations (radians, SMPL's 24 joints) and shape numbers. Out: `Bodies`, vertices and joints
in metres, `BodyData` with faces, atlas and parts. Rest body: T pose, y up, facing +z, x to its left. Camera axes: x
right, y down, z away; the picture frame's unit is half the longer side, and x = s (X + tx).

Papers: Loper et al. 2015 (SMPL), Kanazawa et al. 2018 (HMR), Bogo et al. 2016 (SMPLify).
"""

from limner.body.anchor import DEFAULT_ANCHOR
from limner.body.camera import picture_from_pixels, pixels_from_picture, project_weak
from limner.body.crop import (
    CROP_SIZE,
    Crop,
    RenderCamera,
    camera_in_other_crop,
    camera_in_picture,
    cameras_in_crop_pixels,
    cameras_of_original,
    crop_of_keypoints,
    crop_of_picture,
    cut_crop,
    network_input,
    original_from_crop,
    render_camera,
    scale_picture,
)
from limner.body.crop_training import (
    Augmentation,
    AugmentedSample,
    augmented_crop,
    box_cut,
    draw_augmentation,
    square_round_box,
)
from limner.body.discriminator import BodyDiscriminator, Judgement
from limner.body.encoder import ENCODERS, PreactResNet50, ResNet50, build_encoder
from limner.body.foot_lock import lock_feet
from limner.body.ground import Grounded, ground_bodies
from limner.body.hmr import (
    HMR,
    HMR_NETWORKS,
    HMRConfig,
    ThetaDetails,
    body_from_hmr_weights,
    theta_details,
)
from limner.body.landmark_network import LandmarkEncoder, LandmarkRegressor
from limner.body.landmarks import landmarks_in_crop, look_at_crop
from limner.body.limits import joint_limits
from limner.body.models import PUBLISHED, HMRModel, PublishedHMR, import_weights, is_hmr, load_hmr_model
from limner.body.perspective import crop_cameras, default_focal_px, perspective_translation, turn_to_ray
from limner.body.prediction import HMRPredictor, crop_round
from limner.body.predictor import BodyPredictor, FitChange, fit_change, fit_keypoints, mean_change
from limner.body.priors import (
    PoseMixture,
    angle_limit_energy,
    bending_prior,
    body_fitting_loss,
    camera_fitting_loss,
    geman_mcclure,
    load_pose_mixture,
    project_perspective,
    reprojection_loss,
    shape_prior,
)
from limner.body.regressor import (
    NUM_THETA,
    Regressor,
    mean_theta,
    mean_theta_from_rot6d,
    plain_theta,
    read_mean_theta,
)
from limner.body.rotations import (
    MIRROR_JOINTS,
    mirror_rotvec,
    quat_wxyz_from_rotmat,
    quat_wxyz_from_rotvec,
    rot6d_from_rotmat,
    rotmat_from_quat_wxyz,
    rotmat_from_rot6d,
    rotmat_from_rotvec,
    rotvec_from_quat_wxyz,
    rotvec_from_rotmat,
)
from limner.body.skin import Skin, bind_skin
from limner.body.smoothing import smooth_bodies
from limner.body.smpl import JOINT_NAMES, NUM_JOINTS, PARENTS, SMPL, BodyData, BodyOutput, rigid_transforms
from limner.body.smpl_fast import FastSMPL
from limner.body.smpl_files import load_body, read_smpl_file
from limner.body.smpl_pickle import read_pickle, read_pickled
from limner.body.spin import SPIN

__all__ = [
    "CROP_SIZE",
    "DEFAULT_ANCHOR",
    "ENCODERS",
    "HMR",
    "HMR_NETWORKS",
    "JOINT_NAMES",
    "MIRROR_JOINTS",
    "NUM_JOINTS",
    "NUM_THETA",
    "PARENTS",
    "PUBLISHED",
    "SMPL",
    "SPIN",
    "Augmentation",
    "AugmentedSample",
    "BodyData",
    "BodyDiscriminator",
    "BodyOutput",
    "BodyPredictor",
    "Crop",
    "FastSMPL",
    "FitChange",
    "Grounded",
    "HMRConfig",
    "HMRModel",
    "HMRPredictor",
    "Judgement",
    "LandmarkEncoder",
    "LandmarkRegressor",
    "PoseMixture",
    "PreactResNet50",
    "PublishedHMR",
    "Regressor",
    "RenderCamera",
    "ResNet50",
    "Skin",
    "ThetaDetails",
    "angle_limit_energy",
    "augmented_crop",
    "bending_prior",
    "bind_skin",
    "body_fitting_loss",
    "body_from_hmr_weights",
    "box_cut",
    "build_encoder",
    "camera_fitting_loss",
    "camera_in_other_crop",
    "camera_in_picture",
    "cameras_in_crop_pixels",
    "cameras_of_original",
    "crop_cameras",
    "crop_of_keypoints",
    "crop_of_picture",
    "crop_round",
    "cut_crop",
    "default_focal_px",
    "draw_augmentation",
    "fit_change",
    "fit_keypoints",
    "geman_mcclure",
    "ground_bodies",
    "import_weights",
    "is_hmr",
    "joint_limits",
    "landmarks_in_crop",
    "load_body",
    "load_hmr_model",
    "load_pose_mixture",
    "lock_feet",
    "look_at_crop",
    "mean_change",
    "mean_theta",
    "mean_theta_from_rot6d",
    "mirror_rotvec",
    "network_input",
    "original_from_crop",
    "perspective_translation",
    "picture_from_pixels",
    "pixels_from_picture",
    "plain_theta",
    "project_perspective",
    "project_weak",
    "quat_wxyz_from_rotmat",
    "quat_wxyz_from_rotvec",
    "read_mean_theta",
    "read_pickle",
    "read_pickled",
    "read_smpl_file",
    "render_camera",
    "reprojection_loss",
    "rigid_transforms",
    "rot6d_from_rotmat",
    "rotmat_from_quat_wxyz",
    "rotmat_from_rot6d",
    "rotmat_from_rotvec",
    "rotvec_from_quat_wxyz",
    "rotvec_from_rotmat",
    "scale_picture",
    "shape_prior",
    "smooth_bodies",
    "square_round_box",
    "theta_details",
    "turn_to_ray",
]
