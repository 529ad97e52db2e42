import numpy as np

from limner.pose import SKELETONS, draw_keypoints
from limner.records import Keypoints


def arm(score=1.0):
    xy, scores = np.zeros((1, 17, 2)), np.zeros((1, 17))
    for joint, point in (("left_shoulder", (20, 20)), ("left_elbow", (60, 20)), ("left_wrist", (60, 60))):
        index = SKELETONS["coco17"].index(joint)
        xy[0, index], scores[0, index] = point, score
    return Keypoints(xy, scores, "coco17")


def test_draw_keypoints_draws_limbs_on_a_copy():
    image = np.zeros((80, 80, 3), np.uint8)
    drawn = draw_keypoints(image, arm())
    assert not image.any()
    red, green, blue = drawn[20, 40].astype(int)
    assert blue > green > red  # the person's left is blue
    assert drawn[40, 60].any() and not drawn[40, 20].any()


def test_draw_keypoints_leaves_out_doubtful_joints_and_nobody():
    image = np.full((80, 80, 3), 9, np.uint8)
    assert (draw_keypoints(image, arm(0.1)) == 9).all()
    assert (draw_keypoints(image, arm()[:0]) == 9).all()


def test_draw_keypoints_far_outside_the_picture():
    keypoints = arm()
    far = Keypoints(keypoints.xy * 1e6, keypoints.score, "coco17")
    assert draw_keypoints(np.zeros((20, 20, 3), np.uint8), far).shape == (20, 20, 3)
