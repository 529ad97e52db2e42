"""What an encoder is shown for each task, at inference and in training: one door to the transforms of `tasks`.

Colourisation and inpainting are shown in the paper's outlook only; their sources here are limner's: the picture's
brightness as three equal channels or one, and the picture with its hole in mid-grey, the hole as a fourth channel where
the network has one.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8
from numpy import ndarray
from torch import Tensor

from limner.checks import InputError, check_shape
from limner.face.resample import resize_8bit
from limner.face.tasks import NETWORK_SIDE, face_tensor, grey, label_tensor, low_resolution, sketch_tensor
from limner.types import RgbImage

FaceTaskName: TypeAlias = Literal[
    "invert", "frontalise", "sketch", "segments", "upscale", "colourise", "inpaint", "toonify", "mix", "edit"
]
"""What pixel2style2pixel is used for."""

DRAWN: tuple[FaceTaskName, ...] = ("sketch", "segments")
"""Tasks whose source is no photograph: nothing is found in it, and nobody is to be recognised."""

CHANNELS: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(get_args(FaceTaskName), (3,)),
    "sketch": (1,),
    "colourise": (3, 1),
    "inpaint": (3, 4),
}
"""How many channels a network of each task may see; the number of classes for segments."""


def source_tensor(
    task: FaceTaskName,
    image: UInt8[ndarray, "H W *C"],
    *,
    channels: int = 3,
    side: int = NETWORK_SIDE,
    factor: int | None = None,
    hole: Bool[ndarray, "H W"] | None = None,
) -> Float32[Tensor, "C side side"]:
    """Return what the encoder sees.

    Args:
        task: what the network is for.
        image: an aligned face, RGB; a label map (H, W) for segments; a sketch, grey or RGB.
        channels: of the network's source.
        side: of the network's source.
        factor: for upscale: how much the picture is shrunk first, as in training; None takes it as it is.
        hole: for inpaint: True where the picture is to be filled.

    Raises:
        InputError: there is no such task, the network has other channels, a label is none of its classes, inpainting
            lacks a hole, or the factor is none of 1, 2, 4, 8, 16, 32.
        ShapeError: the hole has another size than the picture.
    """
    check_channels(task, channels)
    if task == "segments":
        return label_tensor(_flat_labels(image), channels, side=side)
    if task == "sketch":
        return sketch_tensor(image, side)
    if task == "upscale" and factor is not None:
        return face_tensor(low_resolution(image, factor), side)
    if task == "colourise":
        return face_tensor(np.repeat(grey(image)[..., None], 3, axis=2), side)[:channels]
    if task == "inpaint":
        return _with_hole(image, hole, channels, side)
    return face_tensor(image, side)


def check_channels(task: str, channels: int) -> None:
    """Refuse a network whose source has other channels than its task's.

    Raises:
        InputError: so it is, or there is no such task.
    """
    if task not in CHANNELS:
        raise InputError(f"no face task is called {task!r}; there are {', '.join(CHANNELS)}")
    if task != "segments" and channels not in CHANNELS[task]:
        wanted = " or ".join(str(number) for number in CHANNELS[task])
        raise InputError(
            f"{task} needs a network that sees {wanted} channel{'s' * (wanted != '1')}, and these see {channels}: take "
            "weights that were trained for it"
        )


def _flat_labels(image: ndarray) -> UInt8[ndarray, "H W"]:
    """A label map from a picture file: grey pictures come as three equal channels."""
    if image.ndim == 2:
        return image
    if not (image[..., :1] == image[..., 1:3]).all():
        raise InputError(
            "a label map has one number a pixel, and this picture has colours: save the classes 0, 1, 2, ... as grey"
        )
    return image[..., 0]


def _with_hole(image: RgbImage, hole: ndarray | None, channels: int, side: int) -> Tensor:
    if hole is None:
        raise InputError("inpainting needs to know what is to be filled: give a mask")
    check_shape(hole, "the mask", image.shape[:2])
    open_ = torch.from_numpy(resize_8bit(hole.astype(np.uint8) * 255, (side, side)) > 127)
    # Emptied before it is resized too, or colours of the hole would reach over its border.
    emptied = np.where(hole[..., None], np.uint8(128), image)
    source = face_tensor(emptied, side).masked_fill(open_, 0.0)
    return torch.cat([source, open_[None].float()]) if channels == 4 else source
