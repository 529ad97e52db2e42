"""Personalisation: a generator adapted to one person's photo before it paints them.

The untuned generator first paints the person in some poses. Then all of it learns to paint the photo again, to come
back to the photo from each of those frames, to keep what the untuned frames looked like, and to keep faces.
Source: Liu et al. 2019, section 3.5; svip-lab/impersonator `models/imitator.py` (`post_personalize`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from limner.checks import InputError
from limner.motion.crops import crop_boxes
from limner.motion.driver import Progress
from limner.motion.face_features import FACE_SIZE_HW
from limner.motion.flow import warp
from limner.motion.generator import LiquidWarpingGenerator, Painting
from limner.motion.masks import has_area

Features: TypeAlias = Callable[[Tensor], Sequence[Tensor]]

TUNE_WEIGHTS = {"cycle": 10.0, "structure": 10.0, "face": 1.0, "mask": 5.0}
"""Of the terms of `tune_terms`, as published."""
TUNE_RATE, TUNE_BETAS = 2e-4, (0.5, 0.999)


@dataclass(frozen=True)
class TunePair:
    """A photo and a pose painted by the untuned generator, to tune on.

    Attributes:
        image: (B, 3, H, W) the photo.
        painted: (B, 3, H, W) the untuned generator's frame.
        background: (B, 3, H, W) the filled background, which stays.
        source, transfer: (B, C, H, W) the streams' inputs; a picture first, the condition's channels after it.
        source_from_target, target_from_source: (B, H, W, 2) the flows there and back.
        source_mask, target_mask: (B, 1, H, W) 1 on the background, the persons grown by a pixel.
        source_head, target_head: (B, 4) boxes.
        back_of_head: (B, 1, H, W) 1 on the back of the target's head.
        source_face, target_face: (B, 1, H, W) 1 on the faces, where the photo's face is laid over; None for nowhere.
    """

    image: Float[Tensor, "B 3 H W"]
    painted: Float[Tensor, "B 3 H W"]
    background: Float[Tensor, "B 3 H W"]
    source: Float[Tensor, "B Cs H W"]
    transfer: Float[Tensor, "B Ct H W"]
    source_from_target: Float[Tensor, "B H W 2"]
    target_from_source: Float[Tensor, "B H W 2"]
    source_mask: Float[Tensor, "B 1 H W"]
    target_mask: Float[Tensor, "B 1 H W"]
    source_head: Int64[Tensor, "B 4"]
    target_head: Int64[Tensor, "B 4"]
    back_of_head: Float[Tensor, "B 1 H W"]
    source_face: Float[Tensor, "B 1 H W"] | None = None
    target_face: Float[Tensor, "B 1 H W"] | None = None


def tune_generator(
    generator: LiquidWarpingGenerator,
    pairs: Sequence[TunePair],
    *,
    steps: int,
    face: Features | None,
    as_published: bool = False,
    progress: Progress | None = None,
) -> LiquidWarpingGenerator:
    """Return a copy of `generator` adapted to the pairs, in evaluation mode.

    Args:
        generator: untouched.
        pairs: one step takes one of them, in turn.
        steps: how many; the published program takes five rounds.
        face: features of heads, 112 x 96; None leaves the term out.
        as_published: as in `tune_terms`.
        progress: told of every step.

    Raises:
        InputError: no pairs, or no steps.
    """
    if not pairs or steps < 1:
        raise InputError(f"personalisation needs a pose and a step, got {len(pairs)} poses and {steps} steps")
    tuned = copy.deepcopy(generator).eval().requires_grad_(True)
    optimiser = torch.optim.Adam(tuned.parameters(), TUNE_RATE, TUNE_BETAS)
    for step in range(steps):
        terms = tune_terms(tuned, pairs[step % len(pairs)], face, as_published=as_published)
        optimiser.zero_grad()
        torch.stack([TUNE_WEIGHTS[name] * term for name, term in terms.items()]).sum().backward()
        optimiser.step()
        if progress is not None:
            progress(step + 1, steps, "personalising")
    return tuned.requires_grad_(False)


def tune_terms(
    generator: LiquidWarpingGenerator, pair: TunePair, face: Features | None, *, as_published: bool = False
) -> dict[str, Float[Tensor, ""]]:
    """Return the unweighted terms of personalisation: cycle, structure, face, mask; `TUNE_WEIGHTS` weighs them.

    Args:
        generator: in eval mode, all of it tuned.
        pair: what to tune on.
        face: features of heads; None leaves the term out.
        as_published: Parity: on the way back cut the BODY out of the frame instead of the background, and let the face
            term teach nothing, as the published program does by handing its pictures over in the wrong order.
    """
    source, target = _streams(generator, pair.source, pair.transfer, pair.source_from_target)
    made_source = source.over(pair.background)
    made = _with_face(target.over(pair.background), pair.target_face, pair.transfer[:, :3], target.mask)
    back = warp(made, pair.target_from_source, align_corners=generator.config.align_corners)
    cycled = _way_back(generator, pair, made, back, as_published=as_published).over(pair.background)
    # Parity: the face laid over on the way back is the photo's own, under the FIRST pass's mask of the photo.
    cycled = _with_face(cycled, pair.source_face, pair.image, source.mask)
    front = 1 - pair.back_of_head
    person = pair.image * (1 - _background(pair.source))
    l1 = functional.l1_loss
    terms = {
        "cycle": l1(made_source, pair.image) + l1(cycled, pair.image),
        "structure": l1(made, pair.painted) + 2 * l1(back * front, person * front),
    }
    if face is not None:
        distance = _face_distance(face, cycled, pair.image, pair.source_head)
        distance = distance + _face_distance(face, made, pair.painted, pair.target_head)
        terms["face"] = distance.detach() if as_published else distance
    masks = torch.cat([source.mask, target.mask])
    terms["mask"] = functional.binary_cross_entropy(masks, torch.cat([pair.source_mask, pair.target_mask]))
    return terms


def _way_back(
    generator: LiquidWarpingGenerator, pair: TunePair, made: Tensor, back: Tensor, *, as_published: bool
) -> Painting:
    """Paint the photo's pose again, from the frame that was made of it."""
    on_background = _background(pair.transfer)
    shown = made * (on_background if as_published else 1 - on_background)
    source = torch.cat([shown, pair.transfer[:, 3:]], dim=1)
    transfer = torch.cat([back, pair.source[:, 3:]], dim=1)
    return _streams(generator, source, transfer, pair.target_from_source)[1]


def _streams(
    generator: LiquidWarpingGenerator, source: Tensor, transfer: Tensor, flow: Tensor
) -> tuple[Painting, Painting]:
    features = generator.encode_source(source)
    painted = generator.src_model.decode(features.blocks[-1], features.levels)
    return painted, generator.transfer(transfer, [(features, flow)])


def _background(inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
    """The condition's last channel, 1 on the background."""
    return inputs[:, -1:]


def _with_face(picture: Tensor, face: Tensor | None, photo: Tensor, mask: Tensor) -> Tensor:
    return picture if face is None else (1 - face) * picture + face * photo * (1 - mask)


def _face_distance(face: Features, image: Tensor, wanted: Tensor, boxes: Int64[Tensor, "B 4"]) -> Float[Tensor, ""]:
    """Distance of the heads' features; pictures whose head lies outside do not count."""
    there = has_area(boxes)
    if not there.any():
        return image.new_zeros(())
    heads = [crop_boxes(one[there], boxes[there], FACE_SIZE_HW) for one in (image, wanted)]
    with torch.no_grad():
        targets = face(heads[1])
    pairs = zip(face(heads[0]), targets, strict=True)
    return torch.stack([functional.l1_loss(got, target) for got, target in pairs]).sum()
