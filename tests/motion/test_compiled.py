"""Compiled frames are the plain ones, from the first frame to those after compiling; the generator stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from limner.motion import GeneratorConfig, LiquidWarpingGenerator, compiled
from limner.motion.compiled import compile_frames


@torch.inference_mode()
@pytest.mark.parametrize("sources", ["sum", "mix"])
def test_compiled_frames_are_the_plain_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: str) -> None:
    monkeypatch.setenv("LIMNER_CACHE", str(tmp_path))
    monkeypatch.setattr(compiled, "PATIENCE", 1)
    torch.manual_seed(0)
    plain = LiquidWarpingGenerator(GeneratorConfig(width=8, num_blocks=1, num_halvings=2, sources=sources)).eval()
    plain.requires_grad_(False)
    keys = list(plain.state_dict())
    fast = compile_frames(plain, threads=1)
    person, pose = torch.rand(1, 6, 32, 32), torch.rand(1, 6, 32, 32)
    source = [(plain.encode_source(person), torch.rand(1, 32, 32, 2) * 2 - 1)]
    wanted = plain.transfer(pose, source)
    for _ in range(3):
        got = fast.transfer(pose, source)
        torch.testing.assert_close(got.colour, wanted.colour, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(got.mask, wanted.mask, atol=1e-4, rtol=1e-4)
    assert all(part._networks for part in fast.tsf_model.encoders)
    assert list(plain.state_dict()) == keys and not hasattr(plain.tsf_model.encoders[0], "_networks")
