"""Cut boxes out of pictures, differentiably, all to one size."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from limner.checks import check_shape
from limner.motion.masks import has_area


def crop_boxes(
    image: Float[Tensor, "B C H W"], boxes: Int64[Tensor, "B 4"], size_hw: tuple[int, int]
) -> Float[Tensor, "B C h w"]:
    """Cut one box out of each picture and bring it to `size_hw`, bilinearly with aligned corners.

    Args:
        image: pictures.
        boxes: (min_x, max_x, min_y, max_y) px, half open, inside the picture. Difference: an empty one, at which the
            published code crashes, stands for the whole picture; `has_area` tells which those are.
        size_hw: of the crops.

    Raises:
        ShapeError: there is not one box a picture.
    """
    check_shape(boxes, "boxes", (image.shape[0], 4))
    whole = torch.tensor([0, image.shape[3], 0, image.shape[2]], device=boxes.device)
    boxes = torch.where(has_area(boxes)[:, None], boxes, whole)
    crops = [
        functional.interpolate(one[None, :, top:bottom, left:right], size_hw, mode="bilinear", align_corners=True)
        for one, (left, right, top, bottom) in zip(image, boxes.tolist(), strict=True)
    ]
    return torch.cat(crops) if crops else image.new_zeros(0, image.shape[1], *size_hw)
