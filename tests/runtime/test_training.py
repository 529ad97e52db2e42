"""Convolutions of training: PyTorch's results and gradients, and gradients of gradients, within float32's rounding."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from limner.runtime import speed_up_training


def pair(inputs: int, outputs: int, *, bias: bool = False) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(inputs + outputs)
    plain = nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias))
    return plain.double(), speed_up_training(copy.deepcopy(plain).float())


def gap(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float(((found.double() - wanted).norm() / wanted.norm()).detach())


@pytest.mark.parametrize(
    ("inputs", "outputs", "height", "width", "bias"),
    [(64, 64, 48, 32, False), (64, 24, 33, 47, True), (8, 256, 31, 64, True), (128, 64, 4, 130, False)],
)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["rows", "channels last"])
def test_results_and_gradients_are_those_of_plain_convolutions(
    inputs: int, outputs: int, height: int, width: int, bias: bool, layout: torch.memory_format
) -> None:
    plain, fast = pair(inputs, outputs, bias=bias)
    x = torch.randn(3, inputs, height, width, dtype=torch.float64, requires_grad=True)
    same = x.detach().float().contiguous(memory_format=layout).requires_grad_()
    wanted, found = plain(x), fast(same)
    assert "Winograd" in found.grad_fn.name()
    pull = torch.randn_like(wanted)
    wanted.backward(pull)
    found.backward(pull.float())
    # The worst found is 3.3e-6, of 256 channels; plain float32 is off by 0.8e-6.
    assert gap(found, wanted) < 1e-5 and gap(same.grad, x.grad) < 1e-5
    for parameter, like in zip(fast.parameters(), plain.parameters(), strict=True):
        assert gap(parameter.grad, like.grad) < 1e-5


def test_gradients_can_be_learned_through() -> None:
    plain, fast = pair(32, 32)
    x = torch.randn(4, 32, 32, 32, dtype=torch.float64, requires_grad=True)
    for network, image in ((plain, x), (fast, x.detach().float().requires_grad_())):
        (slope,) = torch.autograd.grad(network(image).square().sum(), image, create_graph=True)
        slope.square().sum().backward()
    assert gap(fast[0].weight.grad, plain[0].weight.grad) < 1e-5


def test_keys_and_weights_stay() -> None:
    plain, fast = pair(16, 16, bias=True)
    assert list(fast.state_dict()) == list(plain.state_dict())
    assert fast[0].weight.requires_grad and copy.deepcopy(fast)[0].weight.equal(fast[0].weight)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(16, 16, 3, padding=1, stride=2),
        nn.Conv2d(16, 16, 3),
        nn.Conv2d(16, 16, 1),
        nn.Conv2d(16, 12, 3, padding=1),
        nn.Conv2d(16, 16, 3, padding=1, groups=2),
        nn.Conv2d(16, 16, 3, padding=1, padding_mode="reflect"),
        nn.ConvTranspose2d(16, 16, 3, padding=1),
    ],
)
def test_other_convolutions_stay_as_they_are(layer: nn.Module) -> None:
    assert speed_up_training(nn.Sequential(layer))[0] is layer


@pytest.mark.parametrize(("size", "kind"), [((2, 32, 8, 8), torch.float32), ((4, 32, 32, 32), torch.float64)])
def test_small_maps_and_other_numbers_take_the_plain_way(size: tuple[int, ...], kind: torch.dtype) -> None:
    fast = pair(32, 32)[1].to(kind)
    assert "Winograd" not in fast(torch.randn(size, dtype=kind)).grad_fn.name()


def test_autocast_takes_the_plain_way() -> None:
    fast = pair(32, 32)[1]
    with torch.autocast("cpu", torch.bfloat16):
        assert fast(torch.randn(4, 32, 32, 32)).dtype == torch.bfloat16


def test_threads_share_the_work() -> None:
    fast = pair(32, 32)[1]
    x = torch.randn(4, 32, 32, 32)
    alone, before = fast(x), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(fast(x), alone)
    finally:
        torch.set_num_threads(before)
