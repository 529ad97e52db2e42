"""Self-imitation: a video imitated with its own first frame, compared with itself, beside two trivial answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray

from limner.api.inputs import Progress
from limner.body import fit_keypoints
from limner.checks import NobodyFound
from limner.media import Video, open_video
from limner.metrics import psnr, ssim
from limner.motion import Actor, resize_photo
from limner.people import refine_mask, track_person
from limner.records import Keypoints
from limner.types import RgbImage

ANSWERS = ("limner", "first frame", "background")
"""What is scored: our frame, the first frame repeated, and the first frame without the person."""
REGIONS = ("frame", "mask")
LOST_S = 1.0
"""A person away for longer is gone: the clip ends where they left."""
PUBLISHED_SSIM = 0.840
"""Self-imitation of the Liquid Warping GAN on its own data (iPER), Liu et al. 2019, corrected table 1."""


@dataclass(frozen=True)
class ClipScores:
    """Scores of one clip, frame by frame.

    Attributes:
        video: the file.
        first_frame: the frame that served as the photo, the first that shows the person.
        ssim, psnr: (T, 3, 2) by frame, answer (`ANSWERS`) and region (`REGIONS`); psnr in dB.
    """

    video: Path
    first_frame: int
    ssim: Float32[ndarray, "T 3 2"]
    psnr: Float32[ndarray, "T 3 2"]

    @property
    def means(self) -> dict[str, dict[str, float]]:
        """Mean over the frames, by answer and score."""
        return {
            answer: {
                f"{name}_{region}": float(scores[:, a, r].mean())
                for name, scores in (("ssim", self.ssim), ("psnr", self.psnr))
                for r, region in enumerate(REGIONS)
            }
            for a, answer in enumerate(ANSWERS)
        }


@dataclass(frozen=True)
class SelfScores:
    """Scores of all clips.

    Attributes:
        clips: one each, in the order given.
    """

    clips: tuple[ClipScores, ...]

    def table(self) -> str:
        """A table for people: one line for each clip and answer."""
        lines = [f"{'clip':32} {'answer':12} {'SSIM':>7} {'PSNR':>7} {'SSIM in mask':>13} {'PSNR in mask':>13}"]
        for clip in self.clips:
            for answer, scores in clip.means.items():
                lines.append(
                    f"{clip.video.name[-32:]:32} {answer:12} {scores['ssim_frame']:7.4f} {scores['psnr_frame']:7.2f} "
                    f"{scores['ssim_mask']:13.4f} {scores['psnr_mask']:13.2f}"
                )
        lines.append(f"published: SSIM {PUBLISHED_SSIM:.3f}, Liquid Warping GAN on its own data (iPER), other pictures")
        return "\n".join(lines)


def evaluate_self(
    videos: Sequence[str | Path] | str | Path,
    *,
    body: str = "free",
    size: int | None = None,
    person: int = 0,
    max_frames: int | None = None,
    progress: Progress | None = None,
) -> SelfScores:
    """Imitate each video with its own first frame and compare every frame with the real one.

    Args:
        videos: files; each is scored by itself.
        body: "free" or "smpl:PATH".
        size: longer side at which frames are compared; by default the video's, within 256 to 1024.
        person: which person, counted from the largest.
        max_frames: stop after so many frames of each clip.
        progress: called with (done, total, what).

    Raises:
        NobodyFound: a video shows nobody.
    """
    named = [videos] if isinstance(videos, (str, Path)) else list(videos)
    return SelfScores(tuple(_score_clip(Path(v), body, size, person, max_frames, progress) for v in named))


def _score_clip(
    path: Path, body: str, size: int | None, person: int, max_frames: int | None, progress: Progress | None
) -> ClipScores:
    video = open_video(path)
    first, track, masks = _watch(video, size, person, max_frames, progress)
    clip, valid = Keypoints.of_clip(track)
    photo = next(_clip_frames(video, size, first, 1))
    bodies = fit_keypoints(clip, photo.shape[:2], frame_rate=video.frame_rate, body=body, valid=valid)
    shown = masks[0]
    assert shown is not None  # the clip starts with the first frame that shows the person
    actor = Actor.build(photo, refine_mask(photo, shown.astype(np.float32) / 255), bodies[:1], keypoints=clip[:1])
    assert actor.background is not None
    ssim_rows, psnr_rows = [], []
    real_frames = _clip_frames(video, size, first, len(track))
    for number, (real, painted) in enumerate(zip(real_frames, actor.imitate(bodies, camera="copy"), strict=True)):
        mask = masks[number]
        # The first frame is the photo itself, which no answer can miss.
        if number > 0 and mask is not None and (mask > 127).any():
            answers = (painted, photo, actor.background)
            ssim_rows.append([[ssim(answer, real, m) for m in (None, mask > 127)] for answer in answers])
            psnr_rows.append([[psnr(answer, real, m) for m in (None, mask > 127)] for answer in answers])
        if progress is not None:
            progress(number + 1, len(track), f"scoring {path.name}")
    return ClipScores(path, first, np.array(ssim_rows, np.float32), np.array(psnr_rows, np.float32))


def _clip_frames(video: Video, size: int | None, first: int, count: int | None) -> Iterator[RgbImage]:
    last = None if count is None else first + count
    for number, frame in enumerate(video.frames()):
        if last is not None and number >= last:
            return
        if number >= first:
            yield resize_photo(frame, size)


def _watch(
    video: Video, size: int | None, person: int, max_frames: int | None, progress: Progress | None
) -> tuple[int, list[Keypoints | None], list[ndarray | None]]:
    """Follow the person from their first frame until they are gone; masks are kept as bytes."""
    track: list[Keypoints | None] = []
    masks: list[ndarray | None] = []
    first = missing = 0
    for number, keypoints, mask in track_person(_clip_frames(video, size, 0, None), person, with_masks=True):
        if keypoints is None and not track:
            first = number + 1
            continue
        track.append(keypoints)
        masks.append(None if mask is None else (mask * 255).astype(np.uint8))
        missing = missing + 1 if keypoints is None else 0
        if progress is not None:
            progress(number + 1, video.num_frames, f"watching {video.path.name}")
        if missing > LOST_S * video.frame_rate or (max_frames is not None and len(track) >= max_frames):
            break
    if not track:
        raise NobodyFound(f"nobody was found in {video.path}; give a video that shows a person")
    shown = len(track) - missing
    return first, track[:shown], masks[:shown]
