"""Personalisation of a prepared actor: poses to learn on, and results kept on disk.

A result is kept under a checksum of the weights, the photos, the poses and the settings, so the same job tunes once.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from limner.checks import FileProblem, InputError, WeightsError
from limner.media import written_beside
from limner.motion.actor import Actor
from limner.motion.driver import Progress
from limner.motion.face_features import SphereFace
from limner.motion.flow import flow_from_corners
from limner.motion.generator import LiquidWarpingGenerator
from limner.motion.masks import erode, mask_box
from limner.motion.model_files import FACE_FEATURES, is_imported, load_published
from limner.motion.published import PreparedPerson, PublishedPainter
from limner.motion.published_actor import PublishedActor, body_vector
from limner.motion.recovery import DrawnBody
from limner.motion.tuning import TunePair, tune_generator
from limner.records import Bodies
from limner.runtime import cache_folder
from limner.weights import load_strictly, read_checkpoint

Player: TypeAlias = Actor | PublishedActor
"""Whoever can be filmed."""

MOST_POSES = 8
"""Poses to learn on, spread over the motion."""
MOST_KEPT = 4
"""Results kept on disk; the oldest goes first. One of the published size takes 260 MB."""
NOTHING_TO_ADAPT = (
    "personalisation needs published weights to adapt (--weights NAME): the composite paints from the photo itself and "
    "has nothing to learn"
)
_MASK_EDGE = 3
_HEAD_FACTOR = 1.05
_FORMAT = "1"
_logger = logging.getLogger(__name__)


def tuned_actor(actor: Player, poses: Bodies, steps: int, *, progress: Progress | None = None) -> Player:
    """Adapt an actor's painter to their photos.

    Args:
        actor: untouched.
        poses: placed bodies, of which up to eight serve to learn on.
        steps: of the optimiser.
        progress: told of every step; a kept result tells of none.

    Raises:
        InputError: the actor is painted by the composite alone, which cannot learn.
    """
    if isinstance(actor, Actor):
        raise InputError(NOTHING_TO_ADAPT)
    chosen = poses[np.unique(np.linspace(0, len(poses) - 1, min(MOST_POSES, len(poses))).round().astype(int))]
    face = load_published(FACE_FEATURES, SphereFace) if is_imported(FACE_FEATURES) else None
    kept = _kept_file(actor, chosen, steps, with_face=face is not None)
    generator = _read_kept(kept, actor.painter.generator)
    if generator is None:
        pairs = list(tune_pairs(actor, chosen))
        generator = tune_generator(actor.painter.generator, pairs, steps=steps, face=face, progress=progress)
        _keep(kept, generator)
    warnings = list(actor.warnings)
    if face is None:
        warnings.append(f"the face was not looked at in personalising: the weights {FACE_FEATURES} are not imported")
    return _repainted(actor, generator, warnings)


def tune_pairs(actor: PublishedActor, poses: Bodies) -> Iterator[TunePair]:
    """Paint every pose from each photo, untuned, and give what there is to learn."""
    vectors = body_vector(replace(poses, size_hw=actor.size_hw), actor.people[0].image.shape[-1])
    for vector in vectors:
        for person in actor.people:
            yield tune_pair(actor.painter, person, vector)


@torch.no_grad()
def tune_pair(painter: PublishedPainter, person: PreparedPerson, vector: np.ndarray) -> TunePair:
    """Paint one body from one photo, untuned.

    Args:
        painter: untuned.
        person: the photo.
        vector: 85 numbers.
    """
    frame = painter.paint([person], painter.vertices(vector), vector)
    own, target = person.drawn, frame.drawn
    source_mask, target_mask = erode(own.background, _MASK_EDGE), erode(target.background, _MASK_EDGE)
    warped = painter.warp(person.image, frame.source_from_target)
    copies = painter.options.copy_face
    return TunePair(
        image=person.image,
        painted=frame.picture,
        background=person.background,
        source=torch.cat([person.image * (1 - source_mask), own.condition], dim=1),
        transfer=torch.cat([warped, target.condition], dim=1),
        source_from_target=frame.source_from_target,
        target_from_source=flow_from_corners(target.corners, own.face_index, own.weights),
        source_mask=source_mask,
        target_mask=target_mask,
        source_head=_drawn_head(painter, own),
        target_head=_drawn_head(painter, target),
        back_of_head=painter.face_map(target, "back"),
        source_face=painter.face_map(own) if copies else None,
        target_face=painter.face_map(target) if copies else None,
    )


def _drawn_head(painter: PublishedPainter, drawn: DrawnBody) -> Int64[Tensor, "1 4"]:
    """Box of the head as drawn; one without area where the picture does not hold it."""
    box, valid = mask_box(painter.face_map(drawn, "head"), _HEAD_FACTOR)
    return box * valid.long()[:, None]


def _repainted(actor: PublishedActor, generator: LiquidWarpingGenerator, warnings: list[str]) -> PublishedActor:
    """The same actor, whose photos the tuned generator reads anew; backgrounds stay."""
    painter = actor.painter.with_generator(generator)
    people = tuple(painter.read_again(person) for person in actor.people)
    return replace(actor, painter=painter, people=people, warnings=tuple(warnings))


def _kept_file(actor: PublishedActor, poses: Bodies, steps: int, *, with_face: bool) -> Path | None:
    """Where the result of this job is kept; None where nothing can be."""
    folder = cache_folder()
    if folder is None:
        return None
    digest = hashlib.sha256(repr((_FORMAT, steps, with_face, actor.painter.options)).encode())
    state = actor.painter.generator.state_dict()
    arrays = [poses.theta, *(one.body for one in actor.people), *(one.image.numpy() for one in actor.people)]
    for array in [*arrays, *(state[key].cpu().numpy() for key in sorted(state))]:
        digest.update(np.ascontiguousarray(array).tobytes())
    return folder.parent / "personal" / f"{digest.hexdigest()[:24]}.safetensors"


def _read_kept(path: Path | None, untuned: LiquidWarpingGenerator) -> LiquidWarpingGenerator | None:
    """The generator of an earlier run of the same job; None where there is none that is whole."""
    if path is None or not path.exists():
        return None
    generator = LiquidWarpingGenerator(untuned.config)
    try:
        # The background stream has no part in personalisation, so only the others are kept.
        load_strictly(generator, {**_background(untuned), **read_checkpoint(path)}, str(path))
    except (FileProblem, WeightsError) as error:
        _logger.warning("a kept personalisation is damaged and made anew: %s", error)
        return None
    path.touch()
    return generator.eval().requires_grad_(False)


def _keep(path: Path | None, generator: LiquidWarpingGenerator) -> None:
    from safetensors.torch import save_file

    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            key: value.contiguous()
            for key, value in generator.state_dict().items()
            if key not in _background(generator)
        }
        with written_beside(path) as temporary:
            save_file(state, temporary, {"format": "pt"})
        by_age = sorted(path.parent.glob("*.safetensors"), key=lambda file: file.stat().st_mtime, reverse=True)
        for old in by_age[MOST_KEPT:]:
            old.unlink(missing_ok=True)
    except (OSError, FileProblem) as error:
        _logger.warning("the personalisation cannot be kept in %s: %s", path.parent, error)


def _background(generator: LiquidWarpingGenerator) -> dict[str, Tensor]:
    return {key: value for key, value in generator.state_dict().items() if key.startswith("bg_model.")}
