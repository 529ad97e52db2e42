"""Face: aligned faces to styles of a StyleGAN2 generator, and styles to faces.

In: aligned pictures of 256 pixels as a task's transform gives them (RGB in [-1, 1], label maps, sketches). Out: styles
W+ (B, rows, 512) and pictures, RGB in [-1, 1], of the generator's size. Points are (x, y) pixels, centres at integers.
Checkpoints of rosinality/stylegan2-pytorch and eladrich/pixel2style2pixel load as they are, strictly, without running
what they hold.
Papers: Karras et al. 2020 (StyleGAN2); Richardson et al. 2021 (pSp); Deng et al. 2019 (ArcFace).
"""

from limner.face.arcface import ArcFace, ir_101, ir_se50
from limner.face.encoder import (
    Encoder,
    GradualStyleEncoder,
    LastLayerRowsEncoder,
    LastLayerStyleEncoder,
    build_encoder,
)
from limner.face.layers import EqualConv2d, EqualLinear, ModulatedConv2d, StyledConv, ToRGB
from limner.face.ops import Blur, Downsample, Upsample, fused_leaky_relu, set_form, upfirdn2d
from limner.face.psp import Psp, PspConfig, StartReport, load_psp, mix_rows, psp_config, start_psp
from limner.face.stylegan2 import Generator, GeneratorConfig, generator_config, load_generator

__all__ = [
    "ArcFace",
    "Blur",
    "Downsample",
    "Encoder",
    "EqualConv2d",
    "EqualLinear",
    "Generator",
    "GeneratorConfig",
    "GradualStyleEncoder",
    "LastLayerRowsEncoder",
    "LastLayerStyleEncoder",
    "ModulatedConv2d",
    "Psp",
    "PspConfig",
    "StartReport",
    "StyledConv",
    "ToRGB",
    "Upsample",
    "build_encoder",
    "fused_leaky_relu",
    "generator_config",
    "ir_101",
    "ir_se50",
    "load_generator",
    "load_psp",
    "mix_rows",
    "psp_config",
    "set_form",
    "start_psp",
    "upfirdn2d",
]
