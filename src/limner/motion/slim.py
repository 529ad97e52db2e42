"""The slim Liquid Warping network: it corrects a painting instead of painting from nothing.

It is the published generator with fewer channels and blocks, without the streams that only training needed. Beside the
warped person and the condition map its transfer stream reads the person mask and the filled atlas, and what it answers
is ADDED to the painting: colours by tanh, the background mask by twice the sigmoid less one. It starts with heads of
zero, so that it begins as the painting itself. It works on a crop round the person, small enough for a CPU; larger
frames get its corrections enlarged.

Channels of the transfer stream: painted colour (3), person mask (1), filled atlas (3), condition map (3), the published
places for first and last. Of the source stream: the person of the photo (3), condition map (3). Masks of this file's
arrays are 1 on the person; the network's own mask is 1 on the background.
Source: Liu et al. 2019, section 3.2; He et al. 2016 for learning what is missing instead of the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Int32
from numpy import ndarray
from torch import Tensor, nn

from limner.body import BodyData
from limner.checks import InputError, check_shape
from limner.motion.flow import NOWHERE
from limner.motion.generator import (
    SLIM_GENERATOR,
    GeneratorConfig,
    LiquidWarpingGenerator,
    Painting,
    SourceFeatures,
    init_published,
)
from limner.motion.painter import Painted
from limner.motion.surface import disc
from limner.motion.texture import Appearance
from limner.render import condition_map, face_table
from limner.types import PainterName
from limner.weights import file_path, list_weights, load_strictly, read_checkpoint, weight_record

SLIM_WEIGHTS = "liquid-warp-slim"
"""The name under which the default weights stand in the registry, where they are there."""
SLIM_HW = (128, 80)
"""Height and width of the crop that the network sees, in pixels: the height of an upright person, and room for arms."""
MARGIN = 1.06
"""The crop is so much larger than the painted person."""
GAP = 0.03
"""Gaps of the mask narrower than this share of the painting's height may be closed; beyond them it may not grow, since
a network that is unsure of an outline lays a soft halo round it."""
_GRID = 8
_SHOWN = 0.02  # person mask below which a pixel shows nothing of the person


class SlimGenerator(LiquidWarpingGenerator):
    """Source and transfer stream alone; the transfer stream corrects its own first channels."""

    def __init__(self, config: GeneratorConfig = SLIM_GENERATOR) -> None:
        if config.transfer_channels != SLIM_GENERATOR.transfer_channels:
            raise InputError(
                f"the slim network reads {SLIM_GENERATOR.transfer_channels} channels, got {config.transfer_channels}"
            )
        super().__init__(config)
        self.bg_model = nn.Identity()  # type: ignore[assignment]
        # The source is only read: what would paint it again is left out, so that all weights have a part in a frame.
        for part in ("decoders", "skippers", "img_reg", "attetion_reg"):
            setattr(self.src_model, part, nn.ModuleList())
        init_published(self)
        for head in (self.tsf_model.img_reg, self.tsf_model.attetion_reg):
            for weight in head.parameters():
                nn.init.zeros_(weight)

    def forward(  # type: ignore[override]
        self,
        source: Float[Tensor, "B 6 H W"],
        transfer: Float[Tensor, "B 10 H W"],
        source_from_target: Float[Tensor, "B H W 2"],
    ) -> Painting:
        """Correct one pose of one photo; see `transfer`."""
        return self.transfer(transfer, [(self.encode_source(source), source_from_target)])

    def transfer(
        self,
        transfer: Float[Tensor, "B 10 H W"],
        sources: Sequence[tuple[SourceFeatures, Float[Tensor, "B H W 2"]]],
    ) -> Painting:
        """Correct a painting from one or more photos.

        Args:
            transfer: channels as told at the head of this file.
            sources: each photo's features with its flow.

        Raises:
            ShapeError: channels or batches do not fit, or a side is no multiple of 2 ** num_halvings.
        """
        change = super().transfer(transfer, sources)
        colour = (transfer[:, :3] + change.colour).clamp(-1, 1)
        return Painting(colour, (2 * change.mask - transfer[:, 3:4]).clamp(0, 1))


@dataclass(frozen=True)
class Crop:
    """A part of a frame, which may reach over its border, and the size it is brought to.

    Attributes:
        top, left, height, width: in pixels of the frame.
        size_hw: of the network's input.
    """

    top: int
    left: int
    height: int
    width: int
    size_hw: tuple[int, int]

    def cut(
        self, image: ndarray, corner: tuple[int, int] = (0, 0), *, nearest: bool = False, fill: float = 0
    ) -> ndarray:
        """Bring this part of a picture to the network's size.

        Args:
            image: (h, w) or (h, w, C).
            corner: row and column of the frame at which its corner lies.
            nearest: take whole values, for numbers of faces.
            fill: what lies beyond the picture.
        """
        rows, columns = self.top - corner[0], self.left - corner[1]
        height, width = image.shape[:2]
        before = max(0, -rows), max(0, -columns)
        after = max(0, rows + self.height - height), max(0, columns + self.width - width)
        padded = cv2.copyMakeBorder(
            image, before[0], after[0], before[1], after[1], cv2.BORDER_CONSTANT, value=(fill,) * 4
        )
        part = padded[rows + before[0] :, columns + before[1] :][: self.height, : self.width]
        way = cv2.INTER_AREA if self.height > self.size_hw[0] else cv2.INTER_LINEAR
        return cv2.resize(part, self.size_hw[::-1], interpolation=cv2.INTER_NEAREST if nearest else way)

    def enlarged(
        self, values: Float32[ndarray, "h w C"], *, top: int, left: int, size_hw: tuple[int, int]
    ) -> Float32[ndarray, "H W C"]:
        """Bring what the network says back to the frame's size, and take the part of `size_hw` at `top`, `left`."""
        whole = cv2.resize(values, (self.width, self.height), interpolation=cv2.INTER_LINEAR)
        rows, columns = top - self.top, left - self.left
        return whole[rows : rows + size_hw[0], columns : columns + size_hw[1]]

    def normalised(self, xy: Float32[ndarray, "h w 2"]) -> Float32[ndarray, "h w 2"]:
        """Turn pixels of the frame into [-1, 1] over the outer borders of the crop."""
        corner, sides = np.float32([self.left, self.top]), np.float32([self.width, self.height])
        return (2 * (xy + np.float32(0.5) - corner) / sides - 1).astype(np.float32)


def crop_round(window: tuple[int, int, int, int], least_hw: tuple[int, int] = SLIM_HW, *, exact: bool = False) -> Crop:
    """Choose the crop round a window (top, left, height, width) of a frame.

    The window's longer side fits the longer side of `least_hw`; the other side grows with it, in steps of eight. With
    `exact` the window is made small enough for `least_hw` itself, as batches need it.
    """
    top, left, height, width = window
    need_h, need_w = height * MARGIN, width * MARGIN
    size_hw, scale = least_hw, min(least_hw[0] / need_h, least_hw[1] / need_w)
    if not exact:
        side, least = max(least_hw), min(least_hw)
        scale = side / max(need_h, need_w)
        grown = [max(least, min(side, int(-(-need * scale // _GRID)) * _GRID)) for need in (need_h, need_w)]
        size_hw = (grown[0], grown[1])
    box_h, box_w = (max(round(one / scale), 1) for one in size_hw)
    # The window must lie inside to the last pixel, so that every pixel has its correction.
    box_h, box_w = max(box_h, height), max(box_w, width)
    return Crop(top - (box_h - height) // 2, left - (box_w - width) // 2, box_h, box_w, size_hw)


@dataclass(frozen=True, eq=False)
class SlimInputs:
    """A painted pose as the network sees it.

    Attributes:
        transfer: (10, h, w).
        flows: for each layer (h, w, 2), points of the layer's source crop in [-1, 1], -2 for none.
        crop: where this lies in the frame.
    """

    transfer: Float32[ndarray, "10 h w"]
    flows: tuple[Float32[ndarray, "h w 2"], ...]
    crop: Crop


@lru_cache(maxsize=4)
def _table(body: BodyData) -> Float32[ndarray, "rows 3"]:
    return face_table(body, "uv_seg")


def _signed(image: ndarray) -> Float32[ndarray, "h w 3"]:
    return image.astype(np.float32) / np.float32(127.5) - 1


def source_crop(appearance: Appearance, least_hw: tuple[int, int] = SLIM_HW, *, exact: bool = False) -> Crop:
    """Return the part of a photo that shows the person."""
    shown = (appearance.alpha > _SHOWN) | appearance.figure.covered
    rows, columns = np.nonzero(shown.any(1))[0], np.nonzero(shown.any(0))[0]
    if not len(rows):
        return crop_round((0, 0, *shown.shape), least_hw, exact=exact)
    window = int(rows[0]), int(columns[0]), int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1
    return crop_round(window, least_hw, exact=exact)


def source_input(appearance: Appearance, body: BodyData, crop: Crop) -> Float32[ndarray, "6 h w"]:
    """Return what the source stream reads: the person alone, and the condition map of their body."""
    alpha = crop.cut(appearance.alpha)[..., None]
    faces = crop.cut(_as_float(appearance.figure.raster.face_index), nearest=True, fill=-1)
    condition = condition_map(_table(body), faces.astype(np.int32))
    return _channels_first(_signed(crop.cut(appearance.colour)) * alpha, condition)


def transfer_input(
    painted: Painted,
    body: BodyData,
    source_crops: Sequence[Crop],
    least_hw: tuple[int, int] = SLIM_HW,
    *,
    exact: bool = False,
) -> SlimInputs:
    """Return what the transfer stream reads of a painted pose.

    Args:
        painted: with its guide.
        body: as painted, for the condition map.
        source_crops: of the photo of each layer.
        least_hw: of the network's input.
        exact: as in `crop_round`.

    Raises:
        InputError: the painting has no guide.
    """
    if painted.guide is None:
        raise InputError("a painting without its guide cannot be corrected: paint it with guided=True")
    guide = painted.guide
    crop = crop_round((painted.top, painted.left, *painted.alpha.shape), least_hw, exact=exact)
    corner = painted.top, painted.left
    faces = crop.cut(_as_float(guide.face_index), corner, nearest=True, fill=-1).astype(np.int32)
    alpha = crop.cut(painted.alpha, corner)
    texture = crop.cut(np.dstack([guide.texture, (guide.face_index >= 0).astype(np.uint8)]), corner)
    colour = crop.cut(np.dstack([painted.colour, np.ones_like(painted.colour[..., :1])]), corner)
    condition = condition_map(_table(body), faces)
    flows = tuple(
        _flow(crop.cut(xy, corner), crop.cut(share * painted.alpha, corner), source)
        for xy, share, source in zip(guide.photo_xy, guide.shares, source_crops, strict=True)
    )
    layers = _within(colour), alpha[..., None], _within(texture), condition
    return SlimInputs(_channels_first(*layers), flows, crop)


def _as_float(faces: Int32[ndarray, "H W"]) -> Float32[ndarray, "H W"]:
    return faces.astype(np.float32)  # exact below 2 ** 24; OpenCV resizes no 32-bit integers


def _within(image: ndarray) -> Float32[ndarray, "h w 3"]:
    """Colours in [-1, 1], 0 where the last channel says that there is nothing."""
    return _signed(image[..., :3]) * (image[..., 3:] > 0)


def _flow(xy: ndarray, shown: ndarray, source: Crop) -> Float32[ndarray, "h w 2"]:
    return np.where((shown > _SHOWN)[..., None], source.normalised(xy), np.float32(NOWHERE)).astype(np.float32)


def _channels_first(*layers: ndarray) -> Float32[ndarray, "C h w"]:
    return np.ascontiguousarray(np.concatenate(layers, axis=2).transpose(2, 0, 1), dtype=np.float32)


@dataclass(frozen=True, eq=False)
class ReadSource:
    """One layer's photo as the source stream has read it.

    Attributes:
        crop: the part of the photo.
        features: of the source stream.
    """

    crop: Crop
    features: SourceFeatures


class SlimPainter:
    """Corrects paintings with trained weights.

    Attributes:
        network: in evaluation mode.
        least_hw: the crop that it was trained on.
    """

    def __init__(self, network: SlimGenerator, least_hw: tuple[int, int] = SLIM_HW) -> None:
        self.network = network.eval()
        self.least_hw = least_hw

    @classmethod
    def load(cls, weights: str | Path = SLIM_WEIGHTS) -> SlimPainter:
        """Load weights: a name of the registry, or a file such as the best weights of a run.

        Raises:
            WeightsError: there is no such name, or the file holds another network.
            FileProblem: there is no such file.
        """
        path, least_hw = Path(weights), SLIM_HW
        if path.suffix != ".safetensors":
            path, least_hw = file_path(str(weights)), weight_record(str(weights)).input_hw
        state = {key: value.float() for key, value in read_checkpoint(path).items()}
        network = SlimGenerator(slim_config(state))
        load_strictly(network, state, str(weights))
        return cls(network, least_hw)

    @torch.inference_mode()
    def read(self, appearance: Appearance, body: BodyData) -> ReadSource:
        """Read a layer's photo, once for all frames."""
        crop = source_crop(appearance, self.least_hw)
        source = torch.from_numpy(source_input(appearance, body, crop))[None]
        return ReadSource(crop, self.network.encode_source(source))

    @torch.inference_mode()
    def correct(self, painted: Painted, body: BodyData, sources: Sequence[ReadSource]) -> Painted:
        """Return a painting with the network's corrections; where the person is still, it stays the photo's."""
        if not painted.alpha.size:
            return painted
        seen = transfer_input(painted, body, [source.crop for source in sources], self.least_hw)
        transfer = torch.from_numpy(seen.transfer)[None]
        pairs = [(one.features, torch.from_numpy(flow)[None]) for one, flow in zip(sources, seen.flows, strict=True)]
        painting = self.network.transfer(transfer, pairs)
        change = torch.cat([painting.colour - transfer[:, :3], 1 - painting.mask - transfer[:, 3:4]], dim=1)
        return apply_change(painted, seen.crop, change[0].permute(1, 2, 0).numpy())


def apply_change(painted: Painted, crop: Crop, change: Float32[ndarray, "h w 4"]) -> Painted:
    """Add corrections of colour ([-1, 1]) and mask to a painting; the mask shrinks anywhere and grows in gaps alone."""
    size_hw = painted.alpha.shape
    check_shape(change, "change", (*crop.size_hw, 4))
    whole = crop.enlarged(np.ascontiguousarray(change), top=painted.top, left=painted.left, size_hw=size_hw)
    whole = whole * (1 - painted.still[..., None])
    colour = np.clip(np.rint(painted.colour + whole[..., :3] * np.float32(127.5)), 0, 255).astype(np.uint8)
    wanted = np.clip(painted.alpha + whole[..., 3], 0, 1)
    grown = painted.alpha + (wanted - painted.alpha) * _closed(painted.alpha)
    return replace(painted, colour=colour, alpha=np.where(wanted > painted.alpha, grown, wanted).astype(np.float32))


def _closed(alpha: Float32[ndarray, "h w"]) -> Float32[ndarray, "h w"]:
    """1 on the person and in narrow gaps of their mask, 0 beyond."""
    kernel = disc(max(1, round(GAP * alpha.shape[0] / 2)))
    closed = cv2.morphologyEx((alpha > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    return cv2.blur(closed.astype(np.float32), (3, 3))


def slim_config(state: dict[str, Tensor]) -> GeneratorConfig:
    """Read the sizes of a slim network off its weights.

    Raises:
        InputError: they are of no slim network.
    """
    first = state.get("tsf_model.encoders.0.0.weight")
    if first is None or first.shape[1] != SLIM_GENERATOR.transfer_channels:
        raise InputError("these weights are not those of a slim network: its transfer stream reads ten channels")
    blocks = {key.split(".")[2] for key in state if key.startswith("tsf_model.resnets.")}
    levels = {key.split(".")[2] for key in state if key.startswith("tsf_model.encoders.")}
    return replace(SLIM_GENERATOR, width=len(first), num_blocks=len(blocks), num_halvings=len(levels) - 1)


def choose_painter(name: PainterName) -> SlimPainter | None:
    """Return the network that corrects paintings, or None for the plain composite.

    Raises:
        InputError: there is no such painter.
        WeightsError: the slim network is asked for and its weights are not there.
    """
    if name not in get_args(PainterName):
        raise InputError(f"painter must be one of {', '.join(get_args(PainterName))}, got {name!r}")
    there = any(record.name == SLIM_WEIGHTS for record in list_weights())
    return SlimPainter.load() if name == "slim" or (name == "auto" and there) else None
