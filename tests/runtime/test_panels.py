"""Winograd's weights made as one trains are those made once for a network, whatever the kernels' order in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from limner.runtime import panels, program
from limner.runtime.panels import PLACES, transformed_panels
from limner.runtime.products import pack_panels
from limner.runtime.winograd import transform_panels

ORDERS = {
    "rows": lambda weight: weight,
    "channels last": lambda weight: weight.contiguous(memory_format=torch.channels_last),
    "turned": lambda weight: weight.transpose(0, 1).contiguous().transpose(0, 1),
    "every other": lambda weight: weight.repeat_interleave(2, 0)[::2],
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=list(ORDERS))
@pytest.mark.parametrize("outputs", [8, 16, 40])
def test_panels_are_those_of_a_network(outputs: int, order: Callable[[torch.Tensor], torch.Tensor]) -> None:
    weight = torch.from_numpy(np.random.default_rng(0).normal(size=(outputs, 24, 3, 3)).astype(np.float32))
    plain = pack_panels(weight.permute(2, 3, 1, 0).reshape(9, 24, outputs).numpy())
    found = transformed_panels(order(weight), torch.empty(PLACES * outputs * 24))
    for got, wanted in zip(found, map(transform_panels, plain), strict=True):
        # Sums of nine products in float32: the worst found is 1.2e-7 of numbers up to 3.3.
        np.testing.assert_allclose(got.numpy().ravel(), wanted.ravel(), rtol=0, atol=1e-6)


def test_kept_code_is_that_of_this_version_of_all_kernel_files() -> None:
    transformed_panels(torch.ones(8, 8, 3, 3), torch.empty(PLACES * 64))
    (signature,) = panels._transform_all.signatures
    assert program._text_of_kernels() in str(signature[-1])
