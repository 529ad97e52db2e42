"""The public names, written down: one that vanishes or appears is a deliberate edit of this list."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import limner
from limner import api

ROOM_NAMES = {
    "limner": """Actor Bodies BodyPredictor Boxes FaceEditor FileProblem InputError Keypoints LimnerError
        Locator MissingExtra Motion NobodyFound PosePredictor Raster SMPL ShapeError VideoWriter WeightsError
        __version__ align_face draw_keypoints evaluate_motion find_faces find_people fit_keypoints imitate
        load_body open_video rasterise read_image read_image_rgba read_keypoints read_motion resample_motion
        swap track_person view write_image write_video""",
    "limner.api": """ClipScores ExportReport FaceOptions FaceOutput FacePlace FaceRepair FaceReport
        FilesReport Finding MotionScores Report align body doctor evaluate_faces evaluate_maps evaluate_motion
        export face imitate import_weights pose swap view""",
    "limner.data": """BodyPerson BodyPoses BodySamples BodySource DataReport DatasetError FashionPair
        FashionPairs MotionClip MpiiTruth PERSON_PX PictureFolder PoseSamples PoseSource PrepareOptions
        ProtocolRun SyntheticPeople SyntheticPerson SyntheticReport bodies_from_pose crop_of_people
        merge_parts missing_pictures pair_folders part_folder read_bodies read_coco read_deepfashion
        read_folder read_iper read_iper_protocol read_keypoint_json read_lsp read_mpii read_mpii_truth
        read_people read_photos read_picture read_poses read_samples read_silhouette read_synthetic
        read_videos show silhouette_files split_clips write_maps write_mpii_predictions write_people""",
    "limner.metrics": """COCO_SIGMAS CocoScores EvaluationProtocol FaceJudge FaceScores Inception
        MESH_PROTOCOLS MeshProtocol MeshScores PckScores PckhScores PublishedScores STAT_NAMES acceleration
        align_by_root align_similar auc_3d body_error box_nms coco_results cosine_similarity evaluate_coco
        frechet_distance image_id_of inception_score jitter map_scores mean_joint_score mesh_scores mesh_table
        mpjpe oks oks_nms oks_sigmas pa_mpjpe pck pck_3d pck_by_torso pckh psnr published_scores pve rescore
        score_table soft_oks_nms ssim ssim_map stripe_features stripe_likeness torso_size write_coco_results""",
    "limner.weights": """LoadReport WeightRecord check_licence check_precision file_path imported_path
        list_weights load_strictly read_checkpoint read_content read_facts save_weights source_name
        weight_record weights_folder""",
}


@pytest.mark.parametrize("room", ROOM_NAMES)
def test_public_names_are_these(room: str) -> None:
    assert sorted(importlib.import_module(room).__all__) == sorted(ROOM_NAMES[room].split())


@pytest.mark.parametrize("module", [limner, api], ids=lambda module: module.__name__)
def test_every_public_name_is_there(module) -> None:
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("module", [limner, api], ids=lambda module: module.__name__)
def test_type_checkers_see_the_names_that_are_looked_up(module) -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        (node.module, alias.name) for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen == {(home, name) for home, names in module._HOMES.items() for name in names}
    assert {name for _, name in seen} == set(module.__all__) - {"__version__"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    for module in (limner, api):
        with pytest.raises(AttributeError, match="nonsense"):
            _ = module.nonsense


def test_verbs_here_are_the_verbs_there() -> None:
    assert limner.imitate is api.imitate and limner.view is api.view and limner.swap is api.swap


def test_importing_limner_is_light() -> None:
    script = (
        "import os, sys; before = dict(os.environ); import limner\n"
        "heavy = {'torch', 'openvino', 'numba', 'scipy', 'cv2', 'av', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert dict(os.environ) == before\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_loads_no_network_library() -> None:
    script = (
        "import sys; from limner.cli.app import app\n"
        "heavy = {'torch', 'openvino', 'numba', 'scipy', 'cv2', 'av'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
