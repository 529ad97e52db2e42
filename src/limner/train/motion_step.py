"""One step of the Liquid Warping game: the painter's loss, then the judge's, as the published trainers take them.

Two recipes share it: the plain one with a patch discriminator, and the one with auxiliary backgrounds, whose judge sees
a filled background beside the person.
Source: Liu et al. 2019, section 3.4; svip-lab/impersonator `models/{impersonator_trainer,impersonator_trainer_aug}.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from limner.checks import InputError
from limner.losses import (
    FOOLED,
    discriminator_loss,
    feature_distance,
    lsgan_loss,
    mask_loss,
    mask_smoothness,
    perceptual_loss,
    style_loss,
)
from limner.motion import (
    FACE_SIZE_HW,
    GlobalLocalDiscriminator,
    LiquidWarpingGenerator,
    crop_boxes,
    has_area,
)
from limner.train.order import Batch

Features = Callable[[Tensor], Sequence[Tensor]]


@dataclass(frozen=True)
class PainterWeights:
    """Weights of the painter's terms; defaults are the published recipe's, not its program's.

    Attributes:
        source: of the photo painted again.
        transfer: of the perceptual distance to the target picture.
        style: of its Gram matrices.
        face: of the heads' features.
        mask: of the masks against the bodies drawn.
        smoothness: of the masks' steps.
        adversarial: of the judge.
        mask_cross_entropy: compare masks by cross-entropy instead of squared difference.
    """

    source: float = 10.0
    transfer: float = 10.0
    style: float = 0.0
    face: float = 5.0
    mask: float = 1.0
    smoothness: float = 1.0
    adversarial: float = 1.0
    mask_cross_entropy: bool = True


@dataclass(frozen=True)
class MotionBatch:
    """What one step sees.

    Attributes:
        source_image, target_image: (B, 3, H, W) real pictures in [-1, 1].
        background: (N, 4, H, W) inputs of the background stream, stacked: the sources', then the auxiliary ones if
            there is an `auxiliary_image`, then the targets' if those are learnt too.
        source, transfer: (B, 6, H, W) inputs of the other streams.
        source_from_target: (B, H, W, 2) the flow.
        masks: (2 B, 1, H, W) 1 on the background, sources' then targets'.
        head_box, body_box: (B, 4) of the target, (min_x, max_x, min_y, max_y).
        auxiliary_image: (B, 3, H, W) what the auxiliary backgrounds should become.
    """

    source_image: Float[Tensor, "B 3 H W"]
    target_image: Float[Tensor, "B 3 H W"]
    background: Float[Tensor, "N 4 H W"]
    source: Float[Tensor, "B 6 H W"]
    transfer: Float[Tensor, "B 6 H W"]
    source_from_target: Float[Tensor, "B H W 2"]
    masks: Float[Tensor, "2*B 1 H W"]
    head_box: Int64[Tensor, "B 4"]
    body_box: Int64[Tensor, "B 4"] | None = None
    auxiliary_image: Float[Tensor, "B 3 H W"] | None = None


@dataclass(frozen=True)
class MotionPictures:
    """What the generator made of a batch, composed."""

    source: Float[Tensor, "B 3 H W"]
    target: Float[Tensor, "B 3 H W"]
    masks: Float[Tensor, "2*B 1 H W"]
    auxiliary: Float[Tensor, "B 3 H W"] | None = None


def motion_batch(batch: Batch) -> MotionBatch:
    """Return the fields of a batch of samples; stacked backgrounds (B, sets, 4, H, W) are laid out set by set."""
    backgrounds = batch["background"].transpose(0, 1).flatten(0, 1)
    masks = batch["masks"].transpose(0, 1).flatten(0, 1)
    names = {field.name for field in fields(MotionBatch)} - {"background", "masks"}
    return MotionBatch(
        background=backgrounds, masks=masks, **{name: value for name, value in batch.items() if name in names}
    )


def paint(generator: LiquidWarpingGenerator, batch: MotionBatch) -> MotionPictures:
    """Run the generator over a batch and lay its pictures over its backgrounds.

    Without a background of its own the target lies over the source's.

    Raises:
        InputError: `background` holds neither one set nor the sets that `MotionBatch` names.
    """
    out = generator(batch.background, batch.source, batch.transfer, batch.source_from_target)
    size = len(batch.source)
    sets = list(out.background.split(size))
    with_auxiliary = batch.auxiliary_image is not None
    if len(batch.background) % size or len(sets) not in (1 + with_auxiliary, 2 + with_auxiliary):
        raise InputError(f"{len(batch.background)} backgrounds do not make whole sets for {size} sources")
    auxiliary = sets.pop(1) if with_auxiliary else None
    masks = torch.cat([out.source.mask, out.transfer.mask])
    return MotionPictures(out.source.over(sets[0]), out.transfer.over(sets[-1]), masks, auxiliary)


def judge(
    discriminator: nn.Module, batch: MotionBatch, picture: Tensor, auxiliary: Tensor | None
) -> Float[Tensor, "N 1 h w"]:
    """Score pictures in the target's pose, joined with its condition; a global-local judge sees backgrounds too."""
    condition = batch.transfer[:, -3:]
    joined = torch.cat([picture, condition], dim=1)
    if not isinstance(discriminator, GlobalLocalDiscriminator):
        return discriminator(joined)
    if auxiliary is None or batch.body_box is None:
        raise InputError("a global-local judge needs auxiliary backgrounds and body boxes in the batch")
    size = len(batch.source)
    mask = batch.background[size : 2 * size, -1:]
    return discriminator(torch.cat([auxiliary, mask], dim=1), joined, batch.body_box)


def painter_terms(
    pictures: MotionPictures,
    batch: MotionBatch,
    discriminator: nn.Module,
    *,
    vgg: Features | None,
    face: Features | None,
    weights: PainterWeights,
) -> dict[str, Float[Tensor, ""]]:
    """Return the painter's weighted terms; their sum is its loss.

    Args:
        pictures: of `paint`.
        batch: what they were made from.
        discriminator: the judge, as it stands.
        vgg: features for the transfer and style terms; None takes plain absolute difference (promised by the published
            program, which crashes there) and no style.
        face: features of heads, 112 x 96; None leaves the term out.
        weights: of the terms.
    """
    terms = {
        "source": weights.source * functional.l1_loss(pictures.source, batch.source_image),
        "transfer": weights.transfer * _likeness(pictures, batch, vgg),
        "adversarial": weights.adversarial
        * lsgan_loss(judge(discriminator, batch, pictures.target, pictures.auxiliary), FOOLED),
        "mask": weights.mask * mask_loss(pictures.masks, batch.masks, cross_entropy=weights.mask_cross_entropy),
        "smoothness": weights.smoothness * mask_smoothness(pictures.masks),
    }
    if vgg is not None and weights.style:
        terms["style"] = weights.style * style_loss(vgg, pictures.target, batch.target_image)
    if face is not None and weights.face:
        terms["face"] = weights.face * face_loss(face, pictures.target, batch.target_image, batch.head_box)
    return terms


def judge_loss(
    pictures: MotionPictures, batch: MotionBatch, discriminator: nn.Module
) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
    """Return the judge's loss, and its mean scores of real and of made pictures.

    Parity: the pictures are those of before the painter's step; no gradient goes back to the painter.
    """
    auxiliary = None if pictures.auxiliary is None else pictures.auxiliary.detach()
    real = judge(discriminator, batch, batch.target_image, batch.auxiliary_image)
    made = judge(discriminator, batch, pictures.target.detach(), auxiliary)
    return discriminator_loss(real, made), real.mean().detach(), made.mean().detach()


def face_loss(
    face: Features, image: Float[Tensor, "B 3 H W"], wanted: Float[Tensor, "B 3 H W"], boxes: Int64[Tensor, "B 4"]
) -> Float[Tensor, ""]:
    """Return the distance of the heads' features; pictures whose head lies outside do not count."""
    there = has_area(boxes)
    heads = [crop_boxes(one[there], boxes[there], FACE_SIZE_HW) for one in (image, wanted)]
    return feature_distance(face, heads[0], heads[1])


def _likeness(pictures: MotionPictures, batch: MotionBatch, vgg: Features | None) -> Tensor:
    def distance(image: Tensor, wanted: Tensor) -> Tensor:
        return functional.l1_loss(image, wanted) if vgg is None else perceptual_loss(vgg, image, wanted)

    total = distance(pictures.target, batch.target_image)
    if pictures.auxiliary is not None and batch.auxiliary_image is not None:
        total = total + distance(pictures.auxiliary, batch.auxiliary_image)
    return total
