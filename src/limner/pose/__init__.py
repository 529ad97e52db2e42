"""Pose: 2D joints of people, the registry of skeletons, and overlays.

In: RGB pictures (H, W, 3), uint8, and who is in them. Out: `Keypoints`: (x, y) pixels with pixel centres at integers
and a score from 0 to 1, in any skeleton of the registry; an unknown joint scores 0. The joints are the locator's own
landmarks, or a heatmap network's (HRNet, SimpleBaseline) whose weights the user has.
Papers: Bazarevsky et al. 2020, "BlazePose"; Sun et al. 2019, "Deep High-Resolution Representation Learning".
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from limner.pose.configs import (
    NETWORKS,
    HRNetConfig,
    PoseNetworkConfig,
    PoseResNetConfig,
    StageConfig,
    config_from_official,
    hrnet_config,
    network_config,
)
from limner.pose.crop import (
    crop_from_box,
    crop_matrix,
    cut_out,
    flip_joints,
    half_body_crop,
    mirror_order,
    move_points,
    normalise,
)
from limner.pose.drawing import draw_keypoints
from limner.pose.heatmaps import (
    HeatmapAccuracy,
    Peaks,
    decode,
    find_peaks,
    flip_average,
    flip_back,
    heatmap_accuracy,
    make_targets,
    peaked,
)
from limner.pose.openpose_drawing import draw_openpose
from limner.pose.predictor import PosePredictor
from limner.pose.published import PUBLISHED, PoseTable
from limner.pose.samples import (
    JOINT_WEIGHTS,
    UPPER_JOINTS,
    Draws,
    Sample,
    SampleConfig,
    draw_numbers,
    plain_sample,
    train_sample,
)
from limner.pose.skeletons import SKELETONS, Skeleton, add_skeleton, conversion, convert
from limner.pose.smoothing import smooth_track
from limner.pose.tracking import PeopleTracker

if TYPE_CHECKING:
    from limner.pose.blocks import block_row
    from limner.pose.hrnet import HRNet
    from limner.pose.models import PoseModel, import_weights, load_pose_model
    from limner.pose.networks import build_network, init_published
    from limner.pose.resnet import PoseResNet
    from limner.pose.top_down import HeatmapPredictor

__all__ = [
    "JOINT_WEIGHTS",
    "NETWORKS",
    "PUBLISHED",
    "SKELETONS",
    "UPPER_JOINTS",
    "Draws",
    "HRNet",
    "HRNetConfig",
    "HeatmapAccuracy",
    "HeatmapPredictor",
    "Peaks",
    "PeopleTracker",
    "PoseModel",
    "PoseNetworkConfig",
    "PosePredictor",
    "PoseResNet",
    "PoseResNetConfig",
    "PoseTable",
    "Sample",
    "SampleConfig",
    "Skeleton",
    "StageConfig",
    "add_skeleton",
    "block_row",
    "build_network",
    "config_from_official",
    "conversion",
    "convert",
    "crop_from_box",
    "crop_matrix",
    "cut_out",
    "decode",
    "draw_keypoints",
    "draw_numbers",
    "draw_openpose",
    "find_peaks",
    "flip_average",
    "flip_back",
    "flip_joints",
    "half_body_crop",
    "heatmap_accuracy",
    "hrnet_config",
    "import_weights",
    "init_published",
    "load_pose_model",
    "make_targets",
    "mirror_order",
    "move_points",
    "network_config",
    "normalise",
    "peaked",
    "plain_sample",
    "smooth_track",
    "train_sample",
]

# Networks need torch, whose import takes seconds that joints without them need not cost.
_NEED_TORCH = {
    "HRNet": "hrnet",
    "HeatmapPredictor": "top_down",
    "PoseModel": "models",
    "PoseResNet": "resnet",
    "block_row": "blocks",
    "build_network": "networks",
    "import_weights": "models",
    "init_published": "networks",
    "load_pose_model": "models",
}


def __getattr__(name: str) -> Any:
    if name in _NEED_TORCH:
        return getattr(import_module(f"limner.pose.{_NEED_TORCH[name]}"), name)
    raise AttributeError(f"module 'limner.pose' has no attribute {name!r}")
