"""Scores: how near a made picture comes to a real one.

In: pairs of pictures, RGB 8-bit or float in [-1, 1], and masks. Out: plain floats, and the SSIM map that they average.
Units: PSNR in decibels; SSIM without unit, 1 for equal pictures. The protocol is that of the iPER evaluation:
pictures in [-1, 1], data range 2, a uniform 7x7 window.

Papers: Wang et al. 2004 (SSIM); Liu et al. 2019 (Liquid Warping GAN, the protocol).
"""

from limner.metrics.images import psnr, ssim, ssim_map

__all__ = ["psnr", "ssim", "ssim_map"]
