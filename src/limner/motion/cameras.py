"""Which camera an imitated frame is seen with, and cameras of crops.

A body vector is (camera (s, tx, ty), 72 axis-angle, betas); the camera projects x = s (X + tx).
Source: svip-lab/impersonator `models/imitator.py`, `utils/cv_utils.py`, `utils/nmr.py`.
"""

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.spatial.transform import Rotation
from torch import Tensor

from limner.checks import InputError
from limner.types import CameraStrategy

HMR_HALF = 112.0
"""Half the side of HMR's crop in pixels."""
PERSON_DIAGONAL = 150.0
"""How many pixels long the diagonal of a person's box is where HMR sees it."""


def strategy_camera(
    source: Float[ndarray, "3"],
    target: Float[ndarray, "N 3"],
    first: Float[ndarray, "3"],
    strategy: CameraStrategy,
    *,
    follow_scale: bool = False,
) -> Float[ndarray, "N 3"]:
    """Cameras for imitated frames.

    Args:
        source: the photo's camera (s, tx, ty).
        target: the driver's cameras.
        first: the driver's camera in its first frame.
        strategy: `copy` takes the driver's camera; `source` keeps the photo's; `smooth` moves the photo's camera as the
            driver's moved since its first frame.
        follow_scale: with `smooth`, also let the person grow and shrink as the driver does (iPERCore's form); without
            it the photo's scale is kept (the published Impersonator).

    Source: Impersonator `swap_smpl`; iPERCore's `smooth`.
    """
    target = np.asarray(target, np.float32)
    if strategy == "copy":
        return target.copy()
    camera = np.repeat(np.asarray(source, np.float32)[None], len(target), axis=0)
    if strategy == "smooth":
        camera[:, 1:] += target[:, 1:] - first[1:]
        if follow_scale:
            camera[:, 0] *= target[:, 0] / first[0]
    return camera


def frames_cut(joints: Float[ndarray, "N J 3"], cameras: Float[ndarray, "N 3"], size_hw: tuple[int, int]) -> int:
    """Count the frames in which a joint lies outside the picture.

    Args:
        joints: metres in camera axes.
        cameras: weak cameras of the picture frame.
        size_hw: the picture.
    """
    points = cameras[:, None, :1] * (joints[..., :2] + cameras[:, None, 1:])
    edge = np.array([size_hw[1], size_hw[0]]) / max(size_hw)
    return int((np.abs(points) > edge).any(axis=(1, 2)).sum())


def frame_camera_from_crop(
    camera: Float[ndarray, "N 3"], scale: Float[ndarray, "N"], start: Float[ndarray, "N 2"]
) -> Float[ndarray, "N 3"]:
    """Take the camera of a 224-pixel crop to pixels of the full frame.

    Args:
        camera: (s, tx, ty) over [-1, 1] of the crop.
        scale: resized size over original size of the picture that was cropped.
        start: the crop's corner (x, y) in the resized picture padded by 224 pixels.

    Returns:
        (s, tx, ty) with x = s (X + tx) in pixels of the original frame.
    """
    s = camera[:, :1]
    shift = camera[:, 1:] + 1 / s + (start - 2 * HMR_HALF) / (HMR_HALF * s)
    return np.concatenate([HMR_HALF * s / scale[:, None], shift], axis=1)


def crop_camera_from_frame(
    camera: Float[ndarray, "N 3"], scale: Float[ndarray, "N"], start: Float[ndarray, "N 2"], size: int
) -> Float[ndarray, "N 3"]:
    """Take a pixel camera of the full frame to pixels of a crop of `size` with its own scale and corner.

    Parity: this path pads by the full crop size, not by half of it.
    """
    s = camera[:, :1] * scale[:, None]
    return np.concatenate([s, camera[:, 1:] + (size - start) / s], axis=1)


def normalise_crop_camera(camera: Float[ndarray, "N 3"], size: int) -> Float[ndarray, "N 3"]:
    """Take a crop's camera from pixels to [-1, 1] over the crop."""
    return np.concatenate([2 * camera[:, :1] / size, camera[:, 1:] - size / (2 * camera[:, :1])], axis=1)


def person_scale(keypoints: Float[ndarray, "K 3"]) -> Float[ndarray, "3"]:
    """Middle (x, y) of the visible keypoints' box in pixels, and the factor that brings its diagonal to 150 pixels.

    Rows of `keypoints` are x, y, visibility. Source: HMR's 150-pixel rule.

    Raises:
        InputError: no keypoint is visible, or all lie on one point.
    """
    seen = keypoints[keypoints[:, 2] > 0, :2]
    extent = np.ptp(seen, axis=0) if len(seen) else np.zeros(2)
    diagonal = float(np.linalg.norm(extent))
    if diagonal == 0:
        raise InputError("a person's scale needs two visible keypoints that do not coincide")
    return np.append((seen.min(axis=0) + seen.max(axis=0)) / 2, PERSON_DIAGONAL / diagonal)


def matrix_from_euler(euler: Float[ndarray, "... 3"]) -> Float[ndarray, "... 3 3"]:
    """Rz Ry Rx of angles (x, y, z) in radians."""
    return Rotation.from_euler("xyz", np.asarray(euler, np.float64)).as_matrix()


def turn_pose(rotvec: Float[ndarray, "N 72"], yaw: Float[ndarray, "N"]) -> Float[ndarray, "N 72"]:
    """Turn bodies about their own vertical axis: the root becomes R(root) Ry(yaw)."""
    turned = np.array(rotvec, np.float64)
    about_y = np.asarray(yaw, np.float64)[:, None] * np.array([0.0, 1.0, 0.0])
    root = Rotation.from_rotvec(turned[:, :3]) * Rotation.from_rotvec(about_y)
    turned[:, :3] = root.as_rotvec()
    return turned


def t_pose_orbit(degrees: Float[ndarray, "N"]) -> Float[ndarray, "N 3"]:
    """Root axis-angle of an upright T pose seen from all sides: xyz Euler angles (180, `degrees`, 0)."""
    angles = np.stack([np.full_like(degrees, 180.0), degrees, np.zeros_like(degrees)], axis=-1)
    return Rotation.from_euler("xyz", angles, degrees=True).as_rotvec()


def project_quaternion(
    points: Float[Tensor, "N V 3"], camera: Float[Tensor, "N 7"], depth_offset: float = 0.0
) -> Float[Tensor, "N V 3"]:
    """Turn points by a quaternion (w, x, y, z), then project: x = s (X + tx), y = s (Y + ty), z + `depth_offset`.

    `camera` is (s, tx, ty, w, x, y, z) with a unit quaternion.
    """
    w, axis = camera[:, None, 3:4], camera[:, None, 4:].expand_as(points)
    twice = 2 * torch.cross(axis, points, dim=-1)
    turned = points + w * twice + torch.cross(axis, twice, dim=-1)
    scale, shift = camera[:, None, :1], camera[:, None, 1:3]
    return torch.cat([scale * (turned[..., :2] + shift), turned[..., 2:] + depth_offset], dim=-1)
