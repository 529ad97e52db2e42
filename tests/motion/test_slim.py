"""The slim network: it begins as the painting, is read off its file, and sees what training cut out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from limner.checks import InputError, ShapeError, WeightsError
from limner.motion import SLIM_GENERATOR, Actor, SlimGenerator, SlimPainter, choose_painter
from limner.motion.flow import NOWHERE
from limner.motion.painter import Painted
from limner.motion.slim import apply_change, crop_round, slim_config, source_crop, source_input, transfer_input

from .conftest import standing

SMALL = replace(SLIM_GENERATOR, width=4, num_blocks=1)
HW = (64, 40)


def walking():
    rotvec = standing().rotvec.copy()
    rotvec[0, 1, 0], rotvec[0, 16, 2] = -0.6, -0.2
    return replace(standing(), rotvec=rotvec)


@pytest.fixture(scope="module")
def corrected(actor: Actor) -> Actor:
    return replace(actor, painter=SlimPainter(SlimGenerator(SMALL), HW))


def test_an_untrained_network_changes_nothing(actor: Actor, corrected: Actor) -> None:
    plain, painted = actor.paint(walking()), corrected.paint(walking())
    assert (plain.colour == painted.colour).all()
    np.testing.assert_allclose(plain.alpha, painted.alpha, atol=1e-6)


def test_a_trained_network_changes_the_person_alone(actor: Actor) -> None:
    network = SlimGenerator(SMALL)
    torch.nn.init.normal_(network.tsf_model.img_reg[0].weight, 0, 0.05)
    corrected = replace(actor, painter=SlimPainter(network, HW))
    plain, made = (one.frame(one.paint(walking())).astype(int) for one in (actor, corrected))
    painted = actor.paint(walking())
    person = np.zeros(actor.size_hw, bool)
    height, width = painted.alpha.shape
    person[painted.top : painted.top + height, painted.left : painted.left + width] = painted.alpha > 0
    assert np.abs(made - plain)[person].max() > 3 and (made == plain)[~person].all()


def test_what_the_network_reads(actor: Actor) -> None:
    painted = actor.paint(walking(), guided=True)
    look = actor.layers[0].appearance
    crop = source_crop(look, HW, exact=True)
    source = source_input(look, actor.body, crop)
    seen = transfer_input(painted, actor.body, [crop], HW, exact=True)
    assert source.shape == (6, *HW) and seen.transfer.shape == (10, *HW) and seen.flows[0].shape == (*HW, 2)
    alpha, condition = seen.transfer[3], seen.transfer[7:]
    assert 0 <= alpha.min() and alpha.max() == pytest.approx(1)
    on_body = condition[2] == 0
    assert set(np.unique(condition[2])) == {0, 1} and alpha[on_body].mean() > 0.8
    flow = seen.flows[0]
    assert (flow[alpha < 0.01] == NOWHERE).all() and np.abs(flow[alpha > 0.5]).max() < 1.2
    # Where the flow points, the photo shows the colour that was painted: what of it the photo sees.
    warped = torch.nn.functional.grid_sample(
        torch.from_numpy(source[None, :3]), torch.from_numpy(flow[None]), align_corners=False
    )[0].numpy()
    assert np.median(np.abs(warped - seen.transfer[:3])[:, alpha > 0.95]) < 0.12


def test_a_painting_without_its_guide_is_refused(actor: Actor) -> None:
    with pytest.raises(InputError, match="guided"):
        transfer_input(actor.paint(walking()), actor.body, [], HW)


@pytest.mark.parametrize("window", [(0, 0, 10, 4), (5, 7, 300, 90), (-3, 2, 50, 200), (0, 0, 1, 1)], ids=str)
def test_a_crop_holds_its_window_in_steps_of_eight(window: tuple[int, int, int, int]) -> None:
    top, left, height, width = window
    for crop in (crop_round(window, HW), crop_round(window, HW, exact=True)):
        assert crop.top <= top and crop.top + crop.height >= top + height
        assert crop.left <= left and crop.left + crop.width >= left + width
        assert all(side % 8 == 0 for side in crop.size_hw) and max(crop.size_hw) == 64
    assert crop_round(window, HW, exact=True).size_hw == HW


def test_cutting_and_enlarging_are_each_other_s_inverse() -> None:
    image = np.zeros((60, 40, 3), np.float32)
    image[..., 0] = np.linspace(0, 1, 60)[:, None]
    crop = crop_round((10, 5, 40, 20), (40, 24))
    back = crop.enlarged(crop.cut(image), top=10, left=5, size_hw=(40, 20))
    np.testing.assert_allclose(back[2:-2], image[12:48, 5:25], atol=0.02)


def test_the_middle_of_a_crop_is_the_middle_of_the_frame_s_part() -> None:
    crop = crop_round((0, 0, 64, 40), (64, 40), exact=True)
    middle = np.float32([[[crop.left + crop.width / 2 - 0.5, crop.top + crop.height / 2 - 0.5]]])
    np.testing.assert_allclose(crop.normalised(middle), 0, atol=1e-6)


def test_still_persons_are_not_touched(actor: Actor) -> None:
    painted = actor.paint(standing(), guided=True)
    crop = crop_round((painted.top, painted.left, *painted.alpha.shape), HW)
    changed = apply_change(painted, crop, np.full((*crop.size_hw, 4), 0.5, np.float32))
    still = painted.still > 0.999
    assert still.any() and (changed.colour[still] == painted.colour[still]).all()
    with pytest.raises(ShapeError):
        apply_change(painted, crop, np.zeros((8, 8, 4), np.float32))


def test_the_mask_grows_in_its_gaps_alone_and_shrinks_anywhere() -> None:
    alpha = np.zeros((100, 60), np.float32)
    alpha[20:80, 10:28] = alpha[20:80, 30:50] = 0.9  # a gap of two pixels between them
    painted = Painted(np.full((100, 60, 3), 90, np.uint8), alpha, np.zeros_like(alpha), 0, 0)
    crop = crop_round((0, 0, 100, 60), HW)
    change = np.zeros((*crop.size_hw, 4), np.float32)
    change[..., 3] = 0.5
    grown = apply_change(painted, crop, change).alpha
    assert grown[30:70, 28:30].min() > 0.45 and grown[30:70, 12:26].min() > 0.99
    assert not grown[:17].any() and not grown[:, :7].any() and not grown[:, 53:].any()
    shrunk = apply_change(painted, crop, -change).alpha
    np.testing.assert_allclose(shrunk, np.maximum(alpha - 0.5, 0), atol=1e-5)


def test_sizes_are_read_off_the_weights(tmp_path: Path) -> None:
    network = SlimGenerator(SMALL)
    assert slim_config(network.state_dict()) == SMALL
    save_file({key: value.half() for key, value in network.state_dict().items()}, tmp_path / "slim.safetensors")
    loaded = SlimPainter.load(tmp_path / "slim.safetensors").network
    assert loaded.config == SMALL and not loaded.training
    key = "tsf_model.encoders.1.0.weight"
    assert torch.equal(loaded.state_dict()[key], network.state_dict()[key].half().float())


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"tsf_model.encoders.0.0.weight": torch.zeros(4, 6, 7, 7)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="ten channels"):
        SlimPainter.load(tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="10 channels"):
        SlimGenerator(replace(SMALL, transfer_channels=6))
    with pytest.raises(InputError, match="painter must be one of"):
        choose_painter("oil")  # type: ignore[arg-type]
    with pytest.raises(WeightsError):
        SlimPainter.load("no-such-weights")


def test_the_plain_composite_needs_no_network() -> None:
    assert choose_painter("composite") is None


def test_swapped_people_have_two_sources(actor: Actor, cut_out: Actor) -> None:
    both = replace(actor.swap(cut_out, ("legs",)), painter=SlimPainter(SlimGenerator(SMALL), HW))
    assert len(both.sources) == 2
    assert both.paint(walking()).alpha.max() > 0.9
