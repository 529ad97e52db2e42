"""Patch and global-local discriminators: map sizes, crops, empty boxes, strict checkpoints."""

from __future__ import annotations

import pytest
import torch

from limner.checks import InputError, ShapeError, WeightsError
from limner.motion.crops import crop_boxes
from limner.motion.discriminator import DiscriminatorConfig, GlobalLocalDiscriminator, PatchDiscriminator


@pytest.mark.parametrize(("side", "map_side"), [(256, 14), (64, 2)])
def test_the_map_has_the_published_size(side: int, map_side: int) -> None:
    network = PatchDiscriminator(DiscriminatorConfig(width=2)).eval()
    assert network(torch.zeros(1, 6, side, side)).shape == (1, 1, map_side, map_side)


def test_probabilities_lie_between_zero_and_one() -> None:
    network = PatchDiscriminator(DiscriminatorConfig(3, 4, 2, "batch", with_sigmoid=True)).eval()
    scores = network(torch.randn(2, 3, 32, 32))
    assert ((scores > 0) & (scores < 1)).all()


@torch.no_grad()
def test_a_box_round_everything_is_the_picture_and_an_empty_one_too() -> None:
    network = GlobalLocalDiscriminator(global_channels=4, local_channels=6, width=2).eval()
    whole, person = torch.randn(2, 4, 64, 64), torch.randn(2, 6, 64, 64)
    full = network(whole, person, torch.tensor([[0, 64, 0, 64], [0, 64, 0, 64]]))
    empty = network(whole, person, torch.tensor([[0, 64, 0, 64], [10, 10, 3, 9]]))
    assert full.shape == (4, 1, 2, 2)
    torch.testing.assert_close(full[2:], network.local_model(person), rtol=1e-4, atol=1e-5)
    assert torch.equal(full, empty)


def test_a_crop_keeps_its_corners_and_gradients_reach_the_box_alone() -> None:
    image = torch.arange(48.0).reshape(1, 1, 6, 8).requires_grad_()
    crop = crop_boxes(image, torch.tensor([[2, 6, 1, 4]]), (5, 7))
    assert [crop[0, 0, y, x].item() for y, x in ((0, 0), (0, -1), (-1, 0), (-1, -1))] == [10.0, 13.0, 26.0, 29.0]
    crop.sum().backward()
    assert image.grad is not None
    assert image.grad[0, 0, 1:4, 2:6].min() > 0
    assert image.grad.sum() == pytest.approx(35.0)
    assert crop_boxes(image[:0], torch.zeros(0, 4, dtype=torch.int64), (5, 7)).shape == (0, 1, 5, 7)


def test_checkpoints_and_inputs_that_do_not_fit_are_refused() -> None:
    network = PatchDiscriminator(DiscriminatorConfig(width=2))
    state = dict(network.state_dict())
    assert len(network.load_official(state).loaded) == 12
    del state["model.14.bias"]
    with pytest.raises(WeightsError, match=r"model\.14\.bias"):
        network.load_official(state)
    with pytest.raises(ShapeError, match="picture"):
        network(torch.zeros(1, 5, 64, 64))
    with pytest.raises(ShapeError, match="boxes"):
        crop_boxes(torch.zeros(2, 1, 8, 8), torch.zeros(1, 4, dtype=torch.int64), (4, 4))
    with pytest.raises(InputError, match="norm"):
        DiscriminatorConfig(norm="layer")  # type: ignore[arg-type]
