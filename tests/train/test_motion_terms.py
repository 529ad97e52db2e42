"""What the slim network is taught with: the composite is no correction, the real frame is no error."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from limner.motion import Painting
from limner.train.motion_settings import SlimLossSection
from limner.train.motion_terms import composite, laid_over, slim_terms


@pytest.fixture
def batch() -> dict[str, Tensor]:
    torch.manual_seed(0)
    pictures = {name: torch.rand(2, 3, 24, 16) * 2 - 1 for name in ("target", "plate")}
    mask = torch.zeros(2, 1, 24, 16)
    mask[:, :, 4:20, 4:12] = 1
    pictures["target"] = mask * pictures["target"] + (1 - mask) * pictures["plate"]
    transfer = torch.rand(2, 10, 24, 16)
    return {**pictures, "mask": mask, "inside": torch.ones_like(mask), "transfer": transfer}


def terms(painting: Painting, batch: dict[str, Tensor], **weights: float) -> dict[str, float]:
    section = replace(SlimLossSection(), **weights)
    found = slim_terms(painting, laid_over(painting, batch), batch, section, vgg=None, judge=None)
    return {name: float(term) for name, term in found.items()}


def unchanged(batch: dict[str, Tensor]) -> Painting:
    return Painting(batch["transfer"][:, :3], 1 - batch["transfer"][:, 3:4])


def test_the_painting_as_it_came_is_no_correction(batch: dict[str, Tensor]) -> None:
    painting = unchanged(batch)
    found = terms(painting, batch)
    assert found["restraint"] == pytest.approx(0, abs=1e-7) and found["colour"] > 0.05
    torch.testing.assert_close(laid_over(painting, batch), composite(batch))


def test_the_real_frame_is_no_error_but_a_correction(batch: dict[str, Tensor]) -> None:
    found = terms(Painting(batch["target"], 1 - batch["mask"]), batch)
    assert all(found[name] == pytest.approx(0, abs=1e-5) for name in ("colour", "structure", "gradient", "mask"))
    twice = terms(Painting(batch["target"], 1 - batch["mask"]), batch, restraint=0.8)
    assert found["restraint"] > 0.1 and twice["restraint"] == pytest.approx(2 * found["restraint"])


def test_restraint_weighs_colour_and_mask_alike(batch: dict[str, Tensor]) -> None:
    given = unchanged(batch)
    colour = terms(replace(given, colour=given.colour + 0.1), {**batch, "mask": torch.ones_like(batch["mask"])})
    mask = terms(replace(given, mask=given.mask + 0.1), batch)
    assert colour["restraint"] == pytest.approx(0.04, rel=1e-3) and mask["restraint"] == pytest.approx(0.04, rel=1e-3)


def test_terms_without_weight_are_left_out(batch: dict[str, Tensor]) -> None:
    assert "restraint" not in terms(unchanged(batch), batch, restraint=0.0)
