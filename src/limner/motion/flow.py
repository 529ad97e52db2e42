"""Flow from a target's pixels to a source's points, and the warp by it.

Notation: T of the paper is `source_from_target` here: for each target pixel the point (x, y) of the source picture, in
[-1, 1] over the outer borders, y down; -2 where the target shows no body. Sampling differs by system: the published
Liquid Warping weights saw `align_corners=True` on this half-pixel lattice, so a self-warp of theirs is no identity.
Source: Liu et al. 2019, section 3.2; svip-lab/impersonator `utils/nmr.py`.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

NOWHERE = -2.0
"""The flow's value where the target shows no body: outside of every picture, so that sampling gives zero."""


def flow_from_corners(
    corners: Float[Tensor, "B F 3 2"], face_index: Int[Tensor, "B H W"], weights: Float[Tensor, "B H W 3"]
) -> Float[Tensor, "B H W 2"]:
    """Blend the SOURCE's face corners by the TARGET's raster.

    Args:
        corners: where each face's corners lie in the source picture, [-1, 1], y down.
        face_index: the target's owner of each pixel, -1 for none.
        weights: the target's barycentric weights.

    Returns:
        `source_from_target`, `NOWHERE` where there is no face.
    """
    inside = face_index >= 0
    picked = _gather_faces(corners, face_index)  # (B, H, W, 3, 2)
    flow = (picked * weights[..., None]).sum(dim=3)
    return torch.where(inside[..., None], flow, torch.full_like(flow, NOWHERE))


def flow_from_face_points(points: Float[Tensor, "B F 2"], face_index: Int[Tensor, "B H W"]) -> Float[Tensor, "B H W 2"]:
    """The older form of the flow: one source point per face, constant over the face."""
    flow = _gather_faces(points, face_index)
    return torch.where((face_index >= 0)[..., None], flow, torch.full_like(flow, NOWHERE))


def _gather_faces(table: Tensor, face_index: Tensor) -> Tensor:
    index = face_index.clamp(min=0).long()
    return torch.stack([rows[which] for rows, which in zip(table, index, strict=True)])


def warp(
    image: Float[Tensor, "B C H W"],
    source_from_target: Float[Tensor, "B h w 2"],
    *,
    align_corners: bool = True,
) -> Float[Tensor, "B C h w"]:
    """Sample `image` bilinearly at the flow's points; outside the picture lies zero.

    `align_corners=True` is what the published Liquid Warping weights were trained with, False what iPERCore's were.
    """
    return functional.grid_sample(
        image, source_from_target, mode="bilinear", padding_mode="zeros", align_corners=align_corners
    )


def resize_flow(source_from_target: Float[Tensor, "B H W 2"], size_hw: tuple[int, int]) -> Float[Tensor, "B h w 2"]:
    """Bring a flow to a feature map's size.

    Parity: bilinear with aligned corners, so `NOWHERE` mixes with valid points at the silhouette, as the published
    weights saw it.
    """
    channels_first = source_from_target.permute(0, 3, 1, 2)
    resized = functional.interpolate(channels_first, size=size_hw, mode="bilinear", align_corners=True)
    return resized.permute(0, 2, 3, 1)
