"""Data: people with marked joints, read from MPII, COCO, LSP, LSP-extended and anything in COCO's keypoint format.

In: the data sets' own files, pictures in folders or zip files. Out: `PoseSamples`, one row a person: crop centre and
scale, joints, visibility, and the picture, which is read when asked for. Everything that is wrong with an annotation
file is told in one message before any work starts.
Units: pixels counted from 0 with pixel centres at integers; a scale is a crop's side over 200 pixels.
Papers: Andriluka et al. 2014 (MPII); Lin et al. 2014 (COCO); Johnson and Everingham 2010 and 2011 (LSP).
"""

from limner.data.coco import read_coco, read_keypoint_json
from limner.data.faults import DatasetError
from limner.data.lsp import read_lsp
from limner.data.mpii import MpiiTruth, read_mpii, read_mpii_truth, write_mpii_predictions
from limner.data.pictures import missing_pictures, read_picture
from limner.data.samples import PoseSamples
from limner.data.show import DataReport, show
from limner.data.sources import read_samples

__all__ = [
    "DataReport",
    "DatasetError",
    "MpiiTruth",
    "PoseSamples",
    "missing_pictures",
    "read_coco",
    "read_keypoint_json",
    "read_lsp",
    "read_mpii",
    "read_mpii_truth",
    "read_picture",
    "read_samples",
    "show",
    "write_mpii_predictions",
]
