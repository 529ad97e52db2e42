"""From two pictures and two bodies to the inputs of the Liquid Warping networks.

Source: svip-lab/impersonator `BodyRecoveryFlow` (`models/impersonator_trainer.py`,
`models/impersonator_trainer_aug.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from limner.motion.flow import flow_from_corners, warp
from limner.motion.masks import body_box, erode, head_box, mask_box

CROP_EROSION = 3
BACKGROUND_EROSION = 15
AUGMENTED_TARGET_EROSION = 25
FASHION_CROP_EROSION, FASHION_BACKGROUND_EROSION = 7, 21
HEAD_FACTOR, BODY_FACTOR = 1.05, 1.2
"""Growth of the boxes round a head's and a body's mask."""


@dataclass(frozen=True)
class DrawnBody:
    """A batch of bodies as drawn: what the rasteriser and the face tables give for each picture.

    Attributes:
        face_index: (B, H, W) owner of each pixel, -1 for none.
        weights: (B, H, W, 3) barycentric weights.
        corners: (B, F, 3, 2) face corners in the picture, [-1, 1], y down.
        condition: (B, 3, H, W) the condition map; its last channel is 1 on the background.
    """

    face_index: Int[Tensor, "B H W"]
    weights: Float[Tensor, "B H W 3"]
    corners: Float[Tensor, "B F 3 2"]
    condition: Float[Tensor, "B C H W"]

    @property
    def background(self) -> Float[Tensor, "B 1 H W"]:
        """1 where the body is not."""
        return self.condition[:, -1:]


@dataclass(frozen=True)
class NetworkInputs:
    """Inputs of the three generators and the boxes for the losses.

    Attributes:
        source_background, target_background, auxiliary_background: (B, 4, H, W) picture times mask, then the mask.
        source: (B, 6, H, W) the person of the source, joined with its condition.
        transfer: (B, 6, H, W) the source warped into the target's pose, joined with the target's condition.
        source_from_target: (B, H, W, 2) the flow.
        source_mask, target_mask: (B, 1, H, W) 1 on the background, the person grown by a pixel.
        head_box, body_box: (B, 4) of the target, (min_x, max_x, min_y, max_y).
    """

    source_background: Float[Tensor, "B 4 H W"]
    source: Float[Tensor, "B 6 H W"]
    transfer: Float[Tensor, "B 6 H W"]
    source_from_target: Float[Tensor, "B H W 2"]
    source_mask: Float[Tensor, "B 1 H W"]
    target_mask: Float[Tensor, "B 1 H W"]
    head_box: Int64[Tensor, "B 4"]
    body_box: Int64[Tensor, "B 4"]
    target_background: Float[Tensor, "B 4 H W"] | None = None
    auxiliary_background: Float[Tensor, "B 4 H W"] | None = None


def _masked(image: Tensor, mask: Tensor) -> Tensor:
    return torch.cat([image * mask, mask], dim=1)


def recover_flow(
    source_image: Float[Tensor, "B 3 H W"],
    target_image: Float[Tensor, "B 3 H W"],
    source: DrawnBody,
    target: DrawnBody,
    target_keypoints: Float[Tensor, "B 19 2"],
    *,
    auxiliary_image: Float[Tensor, "B 3 H W"] | None = None,
    with_target_background: bool = False,
    align_corners: bool = True,
) -> NetworkInputs:
    """Build the inputs of the background, source and transfer generators.

    Args:
        source_image: the photo, in [-1, 1].
        target_image: the picture that shows the target pose, in [-1, 1].
        source: the body in the photo, as drawn.
        target: the body in the target pose, as drawn.
        target_keypoints: cocoplus keypoints in [-1, 1].
        auxiliary_image: a background picture to learn inpainting on; the target's background mask then grows (25).
        with_target_background: also prepare the target's background.
        align_corners: as in `warp`.
    """
    source_mask, target_mask = erode(source.background, CROP_EROSION), erode(target.background, CROP_EROSION)
    flow = flow_from_corners(source.corners, target.face_index, target.weights)
    background_mask = erode(source.background, BACKGROUND_EROSION)
    target_erosion = BACKGROUND_EROSION if auxiliary_image is None else AUGMENTED_TARGET_EROSION
    size_hw = (source_image.shape[2], source_image.shape[3])
    return NetworkInputs(
        source_background=_masked(source_image, background_mask),
        source=torch.cat([source_image * (1 - source_mask), source.condition], dim=1),
        transfer=torch.cat([warp(source_image, flow, align_corners=align_corners), target.condition], dim=1),
        source_from_target=flow,
        source_mask=source_mask,
        target_mask=target_mask,
        head_box=head_box(target_keypoints, size_hw),
        body_box=body_box(target_keypoints, size_hw),
        target_background=_masked(target_image, erode(target.background, target_erosion))
        if with_target_background
        else None,
        auxiliary_background=None if auxiliary_image is None else _masked(auxiliary_image, background_mask),
    )


def recover_from_maps(
    source_image: Float[Tensor, "B 3 H W"],
    target_image: Float[Tensor, "B 3 H W"],
    source_condition: Float[Tensor, "B C H W"],
    target_condition: Float[Tensor, "B C H W"],
    source_from_target: Float[Tensor, "B H W 2"],
    *,
    target_head: Float[Tensor, "B 1 H W"],
    auxiliary_image: Float[Tensor, "B 3 H W"] | None = None,
    with_target_background: bool = False,
    align_corners: bool = True,
) -> NetworkInputs:
    """Build the inputs of the three generators from condition maps and a flow that are known, as DeepFashion's are.

    Args:
        source_image: the photo, in [-1, 1].
        target_image: the picture of the other pose.
        source_condition: condition map of the photo; its last channel is 1 on the background.
        target_condition: of the other picture.
        source_from_target: the flow.
        target_head: 1 on the target's head.
        auxiliary_image: as in `recover_flow`.
        with_target_background: as in `recover_flow`.
        align_corners: as in `warp`.

    Source: svip-lab/impersonator `data/fashion_dataset.py`. Parity: the background is filled from the TARGET picture;
        masks shrink by 21 and 7; boxes come from the masks.
    """
    behind = erode(target_condition[:, -1:], FASHION_BACKGROUND_EROSION)
    source_mask = erode(source_condition[:, -1:], FASHION_CROP_EROSION)
    target_mask = erode(target_condition[:, -1:], FASHION_CROP_EROSION)
    warped = warp(source_image, source_from_target, align_corners=align_corners)
    return NetworkInputs(
        source_background=_masked(target_image, behind),
        source=torch.cat([source_image * (1 - source_mask), source_condition], dim=1),
        transfer=torch.cat([warped, target_condition], dim=1),
        source_from_target=source_from_target,
        source_mask=source_mask,
        target_mask=target_mask,
        head_box=mask_box(target_head, HEAD_FACTOR)[0],
        body_box=mask_box(1 - target_mask, BODY_FACTOR)[0],
        target_background=_masked(target_image, behind) if with_target_background else None,
        auxiliary_background=None if auxiliary_image is None else _masked(auxiliary_image, behind),
    )
