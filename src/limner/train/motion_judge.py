"""How a motion run is judged: the painter's pictures beside the real ones, by the published scores."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from torch import Tensor, nn

from limner.metrics import psnr, ssim
from limner.train.motion_settings import MotionConfig
from limner.train.motion_step import motion_batch, paint
from limner.train.motion_terms import composite, laid_over
from limner.train.order import Batch, Samples, batches, to_device
from limner.train.run import Judgement, Run
from limner.train.sheets import picture_sheet
from limner.types import RgbImage

PAINTER = "painter"


@torch.no_grad()
def validate(run: Run, config: MotionConfig, samples: Samples, *, first: int | None = None) -> Judgement:
    """Paint the samples and compare them with the real frames, beside what the painter was given.

    Args:
        run: under way.
        config: of the run.
        samples: to be judged by.
        first: judge by so many alone.
    """
    network = run.judged(PAINTER).eval()
    rows: list[dict[str, float]] = []
    shown: list[list[RgbImage]] = []
    for batch in _read(run, samples, first):
        photo, given, made, real, mask = _answers(network, batch, is_slim=config.recipe == "slim")
        for n in range(len(real)):
            rows.append(_scores(given[n], made[n], real[n], mask[n]))
            if len(shown) < config.loop.pictures:
                shown.append([_picture(one[n]) for one in (photo, given, made, real)])
    if shown and first is None and run.machine.is_main:
        run.log.picture("valid", run.position.step, picture_sheet(shown))
    numbers = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return Judgement(numbers["ssim_mask"], numbers)


def _read(run: Run, samples: Samples, first: int | None) -> Iterator[Batch]:
    count = len(samples) if first is None else min(first, len(samples))
    parts = [np.arange(count)[place : place + run.settings.batch] for place in range(0, count, run.settings.batch)]
    for batch in batches(samples, parts, 0):
        yield to_device(batch, run.machine.device)


def _answers(network: nn.Module, batch: Batch, *, is_slim: bool) -> tuple[ndarray, ...]:
    """Photo, what the painter was given, what it made, the real frame, each (B, H, W, 3), and the mask (B, H, W)."""
    if is_slim:
        painting = network(batch["source"], batch["transfer"], batch["flow"])
        pictures = batch["source"][:, :3], composite(batch), laid_over(painting, batch), batch["target"]
        mask = batch["mask"] * batch["inside"]
    else:
        inputs = motion_batch(batch)
        made = paint(network, inputs).target  # type: ignore[arg-type]
        pictures = inputs.source_image, inputs.transfer[:, :3], made, inputs.target_image
        mask = 1 - inputs.masks[len(made) :]
    return (*(_last(picture) for picture in pictures), mask[:, 0].float().cpu().numpy())


def _last(pictures: Tensor) -> Float32[ndarray, "B H W 3"]:
    return pictures.float().clamp(-1, 1).permute(0, 2, 3, 1).cpu().numpy()


def _scores(given: ndarray, made: ndarray, real: ndarray, mask: ndarray) -> dict[str, float]:
    inside = mask if (mask[3:-3, 3:-3] > 0.5).any() else None
    scores = {"ssim_mask": ssim(made, real, inside), "psnr_mask": psnr(made, real, inside)}
    return {**scores, "given_ssim_mask": ssim(given, real, inside), "given_psnr_mask": psnr(given, real, inside)}


def _picture(image: Float32[ndarray, "H W 3"]) -> RgbImage:
    return np.clip(np.rint((image + 1) * 127.5), 0, 255).astype(np.uint8)
