"""Pose: 2D joints of people, the registry of skeletons, and overlays.

In: RGB pictures (H, W, 3), uint8, and who is in them. Out: `Keypoints`: (x, y) pixels with pixel centres at integers
and a score from 0 to 1, in any skeleton of the registry; an unknown joint scores 0. For now the joints are the
locator's own landmarks.
Papers: Bazarevsky et al. 2020, "BlazePose"; Sun et al. 2019, "Deep High-Resolution Representation Learning".
"""

from limner.pose.drawing import draw_keypoints
from limner.pose.predictor import PosePredictor
from limner.pose.skeletons import SKELETONS, Skeleton, conversion, convert

__all__ = ["SKELETONS", "PosePredictor", "Skeleton", "conversion", "convert", "draw_keypoints"]
