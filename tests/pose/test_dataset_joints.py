import numpy as np
import pytest

from limner.pose import dataset_joints


def test_cocoplus_from_coco_orders_limbs_then_face():
    coco = np.arange(17 * 3, dtype=float).reshape(1, 17, 3)
    out = dataset_joints.cocoplus_from_coco(coco)[0, :, 0] / 3
    assert out.tolist() == [16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9, 0, 0, 0, 1, 2, 3, 4]


def test_lsp_from_ai_challenger_turns_flags_into_weights():
    joints = np.ones((1, 14, 3))
    joints[0, 8, 2], joints[0, 13, 2] = 2, 3
    weights = dataset_joints.lsp_from_ai_challenger(joints)[0, :, 2]
    assert weights[0] == 0.5 and weights[12] == 0 and weights[1:12].tolist() == [1.0] * 11


def test_lsp_from_mpii_absent_joints_become_zeros():
    mpii = np.full((1, 16, 3), 7.0)
    mpii[0, 9] = -1
    lsp = dataset_joints.lsp_from_mpii(mpii)[0]
    assert lsp[13].tolist() == [0, 0, 0]
    assert (lsp[:13, 2] == 1).all()


def standing(rows):
    """COCO joints, all hidden but `rows`: {joint: (x, y)}."""
    coco = np.zeros((17, 3))
    for joint, (x, y) in rows.items():
        coco[joint] = x, y, 2
    return coco


@pytest.mark.parametrize(
    ("rows", "scale"),
    [
        ({0: (0, 0), 15: (30, 40)}, 150 / 50),  # an ankle: the whole diagonal
        ({5: (0, 0), 11: (0, 25), 6: (9, 0), 12: (9, 35)}, 75 / 30),  # else the mean torso side
        ({5: (0, 0), 12: (30, 40)}, 50 / 50),  # no side complete: the diagonal as a third of the body
        ({}, 0),
    ],
)
def test_coco_scale_by_what_is_visible(rows, scale):
    assert dataset_joints.coco_scale(standing(rows)) == pytest.approx(scale)


@pytest.mark.parametrize(
    ("rows", "scale"),
    [
        ({0: (0, 0), 13: (30, 40)}, 150 / 50),
        ({13: (0, 0), 2: (0, 50), 3: (0, 100)}, 75 / 75),  # head top to hips: the published slip
        ({8: (0, 0), 2: (0, 28)}, 56 / 28),
        ({8: (0, 0), 3: (0, 28)}, 0),
    ],
)
def test_mpii_scale_by_what_is_visible(rows, scale):
    assert dataset_joints.mpii_scale(standing(rows)[:14]) == pytest.approx(scale)
