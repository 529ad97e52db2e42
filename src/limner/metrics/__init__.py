"""Scores: how near a made picture comes to a real one, and predicted joints to where people marked them.

In: pairs of pictures, RGB 8-bit or float in [-1, 1], and masks; joints (x, y) in pixels with their annotations, or
COCO's annotation and result lists. Out: plain floats, small records of scores, and tables with their protocol.
Units: PSNR in decibels; SSIM, OKS, AP and AR without unit, 1 at best; PCK and PCKh in percent. The protocol of SSIM
and PSNR is that of the iPER evaluation: pictures in [-1, 1], data range 2, a uniform 7x7 window.

Papers: Wang et al. 2004 (SSIM); Liu et al. 2019 (Liquid Warping GAN); Yang and Ramanan 2013 (PCK); Andriluka et al.
2014 (PCKh); Lin et al. 2014 and the COCO keypoint challenge (OKS, AP); Sun et al. 2019 (published figures).
"""

from limner.metrics.coco_eval import STAT_NAMES, CocoScores, evaluate_coco
from limner.metrics.coco_results import coco_results, image_id_of, mean_joint_score, write_coco_results
from limner.metrics.images import psnr, ssim, ssim_map
from limner.metrics.keypoints import PckhScores, PckScores, pck, pck_by_torso, pckh, torso_size
from limner.metrics.oks import COCO_SIGMAS, box_nms, oks, oks_nms, oks_sigmas, rescore, soft_oks_nms
from limner.metrics.reports import EvaluationProtocol, PublishedScores, published_scores, score_table

__all__ = [
    "COCO_SIGMAS",
    "STAT_NAMES",
    "CocoScores",
    "EvaluationProtocol",
    "PckScores",
    "PckhScores",
    "PublishedScores",
    "box_nms",
    "coco_results",
    "evaluate_coco",
    "image_id_of",
    "mean_joint_score",
    "oks",
    "oks_nms",
    "oks_sigmas",
    "pck",
    "pck_by_torso",
    "pckh",
    "psnr",
    "published_scores",
    "rescore",
    "score_table",
    "soft_oks_nms",
    "ssim",
    "ssim_map",
    "torso_size",
    "write_coco_results",
]
