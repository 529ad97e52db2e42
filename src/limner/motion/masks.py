"""Masks and boxes of the published systems: square-kernel erosion and dilation, boxes from keypoints and from masks.

Boxes are (min_x, max_x, min_y, max_y) in whole pixels, truncated, as the published networks were trained with;
everywhere else limner's boxes are xyxy.
Source: svip-lab/impersonator `utils/util.py` and `models/impersonator_trainer.py`.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from limner.checks import InputError

HEAD_KEYPOINTS = slice(12, 19)
"""Neck to right ear in the cocoplus order."""
HEAD_MARGIN = 0.05
BODY_GROWTH = 1.2


def _neighbourhood_sum(mask: Tensor, size: int, pad_value: float) -> Tensor:
    if size < 1 or size % 2 == 0:
        raise InputError(f"the kernel size must be odd and positive, got {size}")
    reach = size // 2
    padded = functional.pad(mask, (reach, reach, reach, reach), value=pad_value)
    kernel = torch.ones(1, 1, size, size, dtype=mask.dtype, device=mask.device)
    return functional.conv2d(padded, kernel)


def erode(mask: Float[Tensor, "N 1 H W"], size: int) -> Float[Tensor, "N 1 H W"]:
    """Keep a pixel where its whole `size` x `size` neighbourhood is 1; beyond the border counts as 1.

    Raises:
        InputError: `size` is even (the published code would grow the map by one pixel) or not positive.
    """
    return (_neighbourhood_sum(mask, size, 1.0) == size * size).to(mask.dtype)


def dilate(mask: Float[Tensor, "N 1 H W"], size: int) -> Float[Tensor, "N 1 H W"]:
    """Set a pixel where the sum of its `size` x `size` neighbourhood reaches 1; beyond the border counts as 0.

    Parity: a soft mask is judged by the SUM of its neighbourhood, not by its largest value.
    """
    return (_neighbourhood_sum(mask, size, 0.0) >= 1).to(mask.dtype)


def _extent(points_01: Tensor) -> tuple[Tensor, Tensor]:
    return points_01.amin(dim=1), points_01.amax(dim=1)


def _to_pixels(low: Tensor, high: Tensor, size_hw: tuple[int, int]) -> Int64[Tensor, "N 4"]:
    height, width = size_hw
    box = torch.stack([low[:, 0] * width, high[:, 0] * width, low[:, 1] * height, high[:, 1] * height], dim=1)
    return box.long()


def head_box(keypoints: Float[Tensor, "N 19 2"], size_hw: tuple[int, int]) -> Int64[Tensor, "N 4"]:
    """Box round the head from keypoints in [-1, 1] (cocoplus order): a margin left, right and above, none below.

    The box may be empty for a head outside the picture; `has_area` tells.
    """
    low, high = _extent((keypoints[:, HEAD_KEYPOINTS] + 1) / 2)
    low = (low - HEAD_MARGIN).clamp(min=0)
    high = torch.stack([high[:, 0] + HEAD_MARGIN, high[:, 1]], dim=1).clamp(max=1)
    return _to_pixels(low, high, size_hw)


def body_box(keypoints: Float[Tensor, "N 19 2"], size_hw: tuple[int, int]) -> Int64[Tensor, "N 4"]:
    """Box round all keypoints in [-1, 1], its extent grown 1.2 times about its middle, cut at the border."""
    low, high = _extent((keypoints + 1) / 2)
    middle, reach = (low + high) / 2, (high - low) * BODY_GROWTH / 2
    return _to_pixels((middle - reach).clamp(min=0), (middle + reach).clamp(max=1), size_hw)


def has_area(box: Int64[Tensor, "N 4"]) -> Tensor:
    """Whether each box (min_x, max_x, min_y, max_y) holds at least one pixel."""
    return (box[:, 1] > box[:, 0]) & (box[:, 3] > box[:, 2])


def mask_box(mask: Float[Tensor, "N 1 H W"], factor: float) -> tuple[Int64[Tensor, "N 4"], Float[Tensor, "N"]]:
    """Box round each mask, grown by `factor`, and whether the mask had an area (1.0) or not (0.0: the whole picture).

    Parity: the middle comes from an integer division, so odd extents lean to the top left.
    """
    height, width = mask.shape[-2:]
    boxes, valid = [], []
    for one in mask[:, 0] > 0:
        rows, columns = torch.nonzero(one, as_tuple=True)
        flat = len(rows) == 0 or rows.min() == rows.max() or columns.min() == columns.max()
        if flat:
            boxes.append((0, width, 0, height))
        else:
            spans = (int(columns.min()), int(columns.max()), width), (int(rows.min()), int(rows.max()), height)
            boxes.append((*_grow(*spans[0], factor), *_grow(*spans[1], factor)))
        valid.append(0.0 if flat else 1.0)
    return torch.tensor(boxes, dtype=torch.int64), torch.tensor(valid)


def _grow(low: int, high: int, limit: int, factor: float) -> tuple[int, int]:
    middle, reach = (low + high) // 2, (high - low) * factor / 2
    return int(max(0.0, middle - reach)), int(min(float(limit), middle + reach))
