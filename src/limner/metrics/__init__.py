"""Scores: how near made pictures come to real ones, joints to where people marked them, bodies to true ones.

In: pairs of pictures, RGB 8-bit or float in [-1, 1], and masks; joints (x, y) in pixels with their annotations, or
COCO's lists; points of bodies in metres. Out: plain floats, small records of scores, and tables with their protocol.
Units: PSNR in decibels; SSIM, OKS, AP and AR without unit, 1 at best; PCK and PCKh in percent; errors in space in mm.
The protocol of SSIM and PSNR is that of the iPER evaluation: pictures in [-1, 1], data range 2, a uniform 7x7 window.

Papers: Wang et al. 2004 (SSIM); Liu et al. 2019 (Liquid Warping GAN); Yang and Ramanan 2013 (PCK); Andriluka et al.
2014 (PCKh); Lin et al. 2014 and the COCO keypoint challenge (OKS, AP); Sun et al. 2019 (published figures).
"""

from limner.metrics.coco_eval import STAT_NAMES, CocoScores, evaluate_coco
from limner.metrics.coco_results import coco_results, image_id_of, mean_joint_score, write_coco_results
from limner.metrics.faces import FaceJudge, FaceScores, map_scores
from limner.metrics.identity import stripe_features, stripe_likeness
from limner.metrics.images import psnr, ssim, ssim_map
from limner.metrics.inception import Inception
from limner.metrics.keypoints import PckhScores, PckScores, pck, pck_by_torso, pckh, torso_size
from limner.metrics.mesh import (
    MESH_PROTOCOLS,
    MeshProtocol,
    MeshScores,
    acceleration,
    align_by_root,
    align_similar,
    auc_3d,
    jitter,
    mesh_scores,
    mesh_table,
    mpjpe,
    pa_mpjpe,
    pck_3d,
    pve,
)
from limner.metrics.oks import COCO_SIGMAS, box_nms, oks, oks_nms, oks_sigmas, rescore, soft_oks_nms
from limner.metrics.published_images import body_error, cosine_similarity, frechet_distance, inception_score
from limner.metrics.reports import EvaluationProtocol, PublishedScores, published_scores, score_table

__all__ = [
    "COCO_SIGMAS",
    "MESH_PROTOCOLS",
    "STAT_NAMES",
    "CocoScores",
    "EvaluationProtocol",
    "FaceJudge",
    "FaceScores",
    "Inception",
    "MeshProtocol",
    "MeshScores",
    "PckScores",
    "PckhScores",
    "PublishedScores",
    "acceleration",
    "align_by_root",
    "align_similar",
    "auc_3d",
    "body_error",
    "box_nms",
    "coco_results",
    "cosine_similarity",
    "evaluate_coco",
    "frechet_distance",
    "image_id_of",
    "inception_score",
    "jitter",
    "map_scores",
    "mean_joint_score",
    "mesh_scores",
    "mesh_table",
    "mpjpe",
    "oks",
    "oks_nms",
    "oks_sigmas",
    "pa_mpjpe",
    "pck",
    "pck_3d",
    "pck_by_torso",
    "pckh",
    "psnr",
    "published_scores",
    "pve",
    "rescore",
    "score_table",
    "soft_oks_nms",
    "ssim",
    "ssim_map",
    "stripe_features",
    "stripe_likeness",
    "torso_size",
    "write_coco_results",
]
