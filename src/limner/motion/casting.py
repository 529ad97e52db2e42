"""Who plays: from the photos of a person and the user's choices to somebody who can be filmed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from limner.checks import InputError
from limner.motion.actor import Actor
from limner.motion.driver import Progress
from limner.motion.personal import NOTHING_TO_ADAPT, Player, tuned_actor
from limner.motion.published_actor import PublishedActor, load_published_painter
from limner.motion.several import join_photos
from limner.motion.slim import SlimPainter, choose_painter
from limner.records import Bodies
from limner.types import LicenceName, PainterName

MOST_TUNING_STEPS = 2000


@dataclass(frozen=True)
class Casting:
    """How people are prepared.

    Attributes:
        size: longer side of the frames in pixels; None for the photo's own, or the side that weights were trained on.
        background: None for the photo's own, a colour, a picture file, or "transparent".
        body: "free" or "smpl:PATH".
        painter: of the free body, see `Actor.prepare`.
        weights: the name of imported published weights that paint instead, or the file of a slim network of one's own,
            such as a run's best; None for the `painter`.
        tune: steps of personalisation; 0 for none.
        licence: commercial refuses weights that are not known to allow commercial use.
    """

    size: int | None = None
    background: str | Path | None = None
    body: str = "free"
    painter: PainterName = "auto"
    weights: str | None = None
    tune: int = 0
    licence: LicenceName = "any"

    def __post_init__(self) -> None:
        if not 0 <= self.tune <= MOST_TUNING_STEPS:
            raise InputError(f"tune must be 0 to {MOST_TUNING_STEPS} steps, got {self.tune}")
        if self.tune and (self.weights is None or self.is_slim_file):
            raise InputError(NOTHING_TO_ADAPT)
        if self.weights is not None and self.painter == "composite":
            raise InputError("the composite paints without weights: leave the painter or the weights out")
        if self.weights is not None and self.painter == "slim" and not self.is_slim_file:
            raise InputError(
                f"the slim painter takes a .safetensors file, such as a run's best, and {self.weights} names none: "
                "leave --painter out for published weights"
            )

    @property
    def is_slim_file(self) -> bool:
        """Whether the weights are a file of a slim network; published ones go by name."""
        return self.weights is not None and self.weights.endswith(".safetensors")


def cast(photo: str | Path, casting: Casting, *, person: int = 0, sources: Sequence[str | Path] = ()) -> Player:
    """Find a person and make somebody of them who can be filmed.

    Args:
        photo: the picture that gives body, place and background.
        casting: how.
        person: which one, counted from the largest.
        sources: more photos of the same person; the largest person in each is taken.

    Raises:
        LimnerError: with one sentence, whatever is wrong with the photos or the weights.
    """
    if casting.weights is None or casting.is_slim_file:
        # The file is read before the costly work on the photo.
        corrector = (
            SlimPainter.load(casting.weights) if casting.weights is not None else choose_painter(casting.painter)
        )
        first = Actor.prepare(
            photo,
            person=person,
            size=casting.size,
            background=casting.background,
            body=casting.body,
            painter="composite",
        )
        first = replace(first, painter=corrector)
        others = [Actor.prepare(one, background="white", body=casting.body, painter="composite") for one in sources]
        return join_photos([first, *others]) if others else first
    painter = load_published_painter(casting.weights, casting.body, licence=casting.licence)
    size, body = casting.size, casting.body
    lead = PublishedActor.prepare(
        photo, painter=painter, person=person, size=size, background=casting.background, body=body
    )
    more = [PublishedActor.prepare(one, painter=painter, size=size, body=body) for one in sources]
    return lead.with_photos(more) if more else lead


def cast_giver(photo: str | Path, wearer: Player, casting: Casting, *, person: int = 0) -> Player:
    """Find the person whose clothes `wearer` takes.

    Raises:
        LimnerError: as `cast`.
    """
    if isinstance(wearer, PublishedActor):
        return PublishedActor.prepare(
            photo, painter=wearer.painter, person=person, size=casting.size, body=casting.body
        )
    return Actor.prepare(photo, person=person, background="white", body=casting.body, painter="composite")


def dress(wearer: Player, giver: Player, parts: Sequence[str]) -> Player:
    """Return the wearer in the giver's clothes, with what is to be known of both."""
    if isinstance(wearer, PublishedActor) and isinstance(giver, PublishedActor):
        dressed: Player = wearer.swap(giver, parts)
    elif isinstance(wearer, Actor) and isinstance(giver, Actor):
        dressed = wearer.swap(giver, parts)
    else:
        raise InputError("both people must be painted by the same weights")
    return replace(dressed, warnings=(*wearer.warnings, *giver.warnings))


def rehearse(actor: Player, casting: Casting, poses: Bodies, progress: Progress | None) -> Player:
    """Adapt the painter to the person where the casting asks for it.

    Args:
        actor: whose photos.
        casting: how many steps.
        poses: placed bodies, of which some serve to learn on.
        progress: told of every step.

    Raises:
        InputError: nothing is there to adapt: the composite paints by itself.
    """
    return tuned_actor(actor, poses, casting.tune, progress=progress) if casting.tune else actor
