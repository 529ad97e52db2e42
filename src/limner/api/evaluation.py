"""How good imitation is: a person imitates themselves, frame by frame beside the film, or somebody else.

Self-imitation: the clip's own first frame is the photo, every later frame is compared with the real one, beside two
trivial answers: the first frame repeated, and the first frame without the person. Cross-imitation: somebody else's
motion; there is no real frame, so the person is compared with the photo, and the frames as a set with the person's own.
Source: Liu et al. 2019, section 4; svip-lab/impersonator `his_evaluators`, whose protocol files are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.api.clips import Clip, read_protocol_clip, watch_clip
from limner.api.frame_scores import Features, FrameScorer, RealFrame, ScoreOptions, set_scores
from limner.api.inputs import Progress
from limner.checks import InputError
from limner.data import ProtocolRun, read_iper_protocol
from limner.motion import Actor, SlimPainter, choose_painter
from limner.types import PainterName, RgbImage

TRIVIAL = ("first frame", "background")
"""The first frame repeated, and the first frame without the person."""
FACE_FRAMES = 16
"""Faces are looked for in so many frames of a clip, evenly spread: that costs more than all the rest."""
PUBLISHED = (
    "published on iPER (Liu et al. 2019, corrected table 1), other pictures than these: self-imitation SSIM 0.840, "
    "LPIPS 0.087; cross-imitation IS 3.419 over pooled features"
)


@dataclass(frozen=True)
class ClipScores:
    """Scores of one clip, frame by frame.

    Attributes:
        name: of the clip.
        kind: self or cross.
        answers: who is scored, in the order of the rows: the painter, for a network the plain composite too, and for
            self-imitation the trivial answers.
        scores: by name, (T, answers); not a number where it could not be taken. psnr in dB.
        sets: scores of all frames as a set, one number for each answer.
    """

    name: str
    kind: str
    answers: tuple[str, ...]
    scores: dict[str, Float32[ndarray, "T A"]]
    sets: dict[str, tuple[float, ...]]

    @property
    def means(self) -> dict[str, dict[str, float]]:
        """Mean over the frames, by answer and score; what was never taken is left out."""
        found: dict[str, dict[str, float]] = {answer: {} for answer in self.answers}
        for name, rows in self.scores.items():
            for answer, column in zip(self.answers, rows.T, strict=True):
                if np.isfinite(column).any():
                    found[answer][name] = float(np.nanmean(column))
        for name, numbers in self.sets.items():
            for answer, number in zip(self.answers, numbers, strict=True):
                found[answer][name] = number
        return found


@dataclass(frozen=True)
class MotionScores:
    """Scores of all clips.

    Attributes:
        clips: one each, in the order given.
    """

    clips: tuple[ClipScores, ...]

    def means(self, kind: str = "self") -> dict[str, dict[str, float]]:
        """Mean over the clips of a kind, each clip counting the same, by answer and score."""
        chosen = [clip.means for clip in self.clips if clip.kind == kind]
        answers = list(dict.fromkeys(answer for means in chosen for answer in means))
        found: dict[str, dict[str, float]] = {}
        for answer in answers:
            rows = [means[answer] for means in chosen if answer in means]
            names = dict.fromkeys(name for row in rows for name in row)
            found[answer] = {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}
        return found

    def table(self) -> str:
        """A table for people: one line for each clip and answer, then the means."""
        lines = []
        for kind in ("self", "cross"):
            clips = [clip for clip in self.clips if clip.kind == kind]
            if not clips:
                continue
            blocks = [(clip.name, clip.means) for clip in clips]
            if len(clips) > 1:
                blocks.append((f"mean of {len(clips)} clips", self.means(kind)))
            names = list(dict.fromkeys(name for _, means in blocks for row in means.values() for name in row))
            lines.append(
                f"{kind + '-imitation':32} {'answer':12}" + "".join(f" {name:>{_wide(name)}}" for name in names)
            )
            for title, means in blocks:
                lines += [_line(title, answer, row, names) for answer, row in means.items()]
        return "\n".join([*lines, PUBLISHED])


def _wide(name: str) -> int:
    return max(len(name), 8)


def _line(title: str, answer: str, row: dict[str, float], names: Sequence[str]) -> str:
    cells = [f"{row[name]:{_wide(name)}.4f}" if name in row else f"{'-':>{_wide(name)}}" for name in names]
    return f"{title[-32:]:32} {answer:12} " + " ".join(cells)


def evaluate_motion(
    videos: Sequence[str | Path] | str | Path = (),
    *,
    cross: Sequence[str | Path] | str | Path = (),
    iper: str | Path | None = None,
    protocol: str | Path | None = None,
    views: int = 1,
    body: str = "free",
    size: int | None = None,
    person: int = 0,
    max_frames: int | None = None,
    painter: PainterName = "auto",
    weights: str | Path | None = None,
    lpips: str | Path | None = None,
    lpips_linear: str | Path | None = None,
    inception: str | Path | None = None,
    progress: Progress | None = None,
) -> MotionScores:
    """Let people imitate themselves and others, and score every frame.

    Args:
        videos: each is imitated with its own first frame.
        cross: videos whose motion the person of each of `videos` also imitates.
        iper: iPER's folder, for `protocol`.
        protocol: one of its protocol files; its clips are imitated over its ranges.
        views: the protocol's photos for so many views; the first of them serves.
        body: "free" or "smpl:PATH".
        size: longer side at which frames are compared; by default the video's, within 256 to 1024.
        person: which person, counted from the largest.
        max_frames: stop after so many frames of each clip.
        painter: as for `imitate`; where a network corrects, the plain composite is scored beside it.
        weights: of the slim network, such as the best of a run; None takes the package's.
        lpips: torchvision's AlexNet; LPIPS is then taken instead of the distance of our face network's features.
        lpips_linear: the published weights of LPIPS' layers, version 0.1; needed with `lpips`.
        inception: Inception v3, torchvision's or the one ported for FID; FID and IS are then taken.
        progress: called with (done, total, what).

    Raises:
        InputError: there is nothing to score.
        NobodyFound: a video shows nobody.
    """
    named = [Path(path) for path in ([videos] if isinstance(videos, (str, Path)) else videos)]
    others = [Path(path) for path in ([cross] if isinstance(cross, (str, Path)) else cross)]
    if not named and protocol is None:
        raise InputError("name a video to imitate, or iPER's folder with one of its protocol files")
    if (protocol is None) != (iper is None):
        raise InputError("a protocol and iPER's folder go together: name both")
    network = choose_painter(painter) if weights is None else SlimPainter.load(weights)
    scorer = FrameScorer(ScoreOptions(lpips, lpips_linear, inception))
    drivers = [watch_clip(path, body, size, person, max_frames, progress) for path in others]
    found = []
    for path in named:
        clip = watch_clip(path, body, size, person, max_frames, progress)
        found.append(_score_self(clip, network, scorer, progress))
        found += [_score_cross(clip, driver, network, scorer, progress) for driver in drivers]
    if protocol is not None and iper is not None:
        for run in read_iper_protocol(protocol, views):
            found += _score_run(run, Path(iper), (body, size, max_frames), network, scorer, progress)
    return MotionScores(tuple(found))


def _score_run(
    run: ProtocolRun,
    iper: Path,
    how: tuple[str, int | None, int | None],
    network: SlimPainter | None,
    scorer: FrameScorer,
    progress: Progress | None,
) -> Iterator[ClipScores]:
    """Self-imitation over the clip's range, and cross-imitation where the protocol names another clip."""
    body, size, max_frames = how
    clip = read_protocol_clip(iper, run.clip, run.own, body, size, max_frames, photo=run.sources[0], progress=progress)
    yield _score_self(clip, network, scorer, progress)
    if run.other:
        driver = read_protocol_clip(iper, run.other, run.other_span, body, size, max_frames, progress=progress)
        yield _score_cross(clip, driver, network, scorer, progress)


def _actors(clip: Clip, network: SlimPainter | None) -> dict[str, Actor]:
    """Who answers: the plain composite, and before it the network that corrects it."""
    actor = clip.actor()
    return {"composite": actor} if network is None else {"slim": replace(actor, painter=network), "composite": actor}


def _score_self(clip: Clip, network: SlimPainter | None, scorer: FrameScorer, progress: Progress | None) -> ClipScores:
    actors = _actors(clip, network)
    background = next(iter(actors.values())).background
    assert background is not None, "a clip's actor keeps its own"
    answers = (*actors, *TRIVIAL)
    painted = zip(*(actor.imitate(clip.bodies, camera="copy") for actor in actors.values()), strict=True)
    looked = set(np.linspace(0, len(clip.bodies) - 1, FACE_FRAMES).round().astype(int).tolist())
    rows: list[list[dict[str, float]]] = []
    sets: list[tuple[Features, Features]] = [([], []) for _ in answers]
    for number, (image, made) in enumerate(zip(clip.frames(), painted, strict=True)):
        mask = clip.masks[number]
        # The photo itself is no frame that an answer can miss.
        if number != clip.photo_at and mask is not None and (mask > 127).any():
            real = scorer.real(image, mask > 127, with_face=number in looked)
            pictures = (*made, clip.photo, background)
            rows.append([scorer.score(picture, real) for picture in pictures])
            _gather(sets, pictures, [image], scorer)
        if progress is not None:
            progress(number + 1, len(clip.bodies), f"scoring {clip.name}")
    return _clip_scores(clip.name, "self", answers, rows, sets)


def _score_cross(
    clip: Clip, driver: Clip, network: SlimPainter | None, scorer: FrameScorer, progress: Progress | None
) -> ClipScores:
    actors = _actors(clip, network)
    photo = scorer.real(clip.photo, clip.photo_alpha > 0.5)
    rows: list[list[dict[str, float]]] = []
    sets: list[tuple[Features, Features]] = [([], []) for _ in actors]
    own = list(clip.frames()) if scorer.options.inception is not None else []
    placed = next(iter(actors.values())).place(driver.bodies, "smooth")
    for number in range(len(placed)):
        row, pictures = [], []
        for actor in actors.values():
            painted = actor.paint(placed[number : number + 1])
            frame = actor.frame(painted)
            shown = np.zeros(frame.shape[:2], bool)
            height, width = painted.alpha.shape
            shown[painted.top : painted.top + height, painted.left : painted.left + width] = painted.alpha > 0.5
            row.append(_likeness_to_photo(frame, shown, photo, scorer, look=number % 8 == 0))
            pictures.append(frame)
        rows.append(row)
        _gather(sets, pictures, [own[number % len(own)]] if own else [], scorer)
        if progress is not None:
            progress(number + 1, len(placed), f"scoring {clip.name} as {driver.name}")
    return _clip_scores(f"{clip.name} as {driver.name}", "cross", tuple(actors), rows, sets)


def _likeness_to_photo(
    frame: RgbImage, shown: ndarray, photo: RealFrame, scorer: FrameScorer, *, look: bool
) -> dict[str, float]:
    """Whether a frame shows the person of the photo, wherever they stand in it."""
    nan = float("nan")
    if not shown.any():
        return {"face": nan, "clothes": nan}
    seen = scorer.real(frame, shown, with_face=look and photo.five is not None)
    face = nan if seen.face is None or photo.face is None else scorer.same_face(seen, photo)
    return {"face": face, "clothes": scorer.same_clothes(seen, photo)}


def _gather(
    sets: list[tuple[Features, Features]], made: Iterable[RgbImage], real: Iterable[RgbImage], scorer: FrameScorer
) -> None:
    true = [features for one in real if (features := scorer.features(one)) is not None]
    for (answer, reference), picture in zip(sets, made, strict=True):
        features = scorer.features(picture)
        if features is not None:
            answer.append(features)
            reference += true


def _clip_scores(
    name: str,
    kind: str,
    answers: tuple[str, ...],
    rows: list[list[dict[str, float]]],
    sets: list[tuple[Features, Features]],
) -> ClipScores:
    if not rows:
        raise InputError(f"{name} has no frame to compare beside its photo; give a longer clip")
    names = list(rows[0][0])
    scores = {score: np.array([[answer[score] for answer in row] for row in rows], np.float32) for score in names}
    whole = [set_scores(*one) for one in sets]
    return ClipScores(name, kind, answers, scores, {score: tuple(one[score] for one in whole) for score in whole[0]})
