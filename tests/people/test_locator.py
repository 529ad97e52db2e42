import cv2
import numpy as np
import pytest

from limner.checks import InputError, ShapeError
from limner.people import find_people
from limner.pose import SKELETONS

from .conftest import load_picture


def point(people, name, index=0):
    return people.keypoints.xy[index, SKELETONS["blazepose33"].index(name)]


def test_locate_one_person_whole_body(locator, woman):
    people = locator.locate(woman)
    assert len(people) == 1
    assert people.boxes.score[0] > 0.9
    assert people.boxes.xyxy[0] == pytest.approx([109, 2, 474, 595], abs=8)  # measured on the picture by eye
    assert (people.keypoints.score[0] > 0.5).mean() > 0.9
    # Her left is on the viewer's right, and she stands upright.
    assert point(people, "left_wrist")[0] > point(people, "left_hip")[0] > point(people, "right_hip")[0]
    assert point(people, "nose")[1] < point(people, "left_hip")[1] < point(people, "left_ankle")[1]


def test_locate_world_points_are_metres_about_the_hips(locator, woman):
    world = locator.locate(woman).keypoints.world[0]
    hips = [SKELETONS["blazepose33"].index(f"{side}_hip") for side in ("left", "right")]
    assert np.abs(world[hips].mean(axis=0)).max() < 0.03
    ankle, nose = (world[SKELETONS["blazepose33"].index(name)] for name in ("left_ankle", "nose"))
    assert 1.1 < ankle[1] - nose[1] < 1.8  # y points down
    assert nose[2] < ankle[2] + 0.5  # z points away from the viewer


@pytest.mark.parametrize("turns", [1, 2])
def test_locate_turns_with_the_picture(locator, woman, turns):
    upright, turned = locator.locate(woman), locator.locate(np.ascontiguousarray(np.rot90(woman, turns)))
    assert len(turned) == 1
    x, y = point(upright, "nose")
    expected = {1: (y, 599 - x), 2: (599 - x, 599 - y)}[turns]
    assert np.hypot(*(point(turned, "nose") - expected)) < 12


def test_locate_finds_everybody_down_to_a_sixth_of_the_height(locator, shared_data):
    folder = shared_data / "people"
    names = ["imper_A_Pose__023_3_1_000", "internet__ins3", "imper_A_Pose__009_5_1_000"]
    pictures = [folder / "ai-body.jpg", *[folder / "research_only" / f"{name}.jpg" for name in names]]
    canvas, x = np.full((480, 1080, 3), 230, np.uint8), 10
    heights = (470, 240, 160, 112)  # of the pasted photos; the last person is 80 px, a sixth of the height
    for path, height in zip(pictures, heights, strict=True):
        canvas[480 - height :, x : x + height] = cv2.resize(load_picture(path), (height, height))
        x += height + 10
    people = locator.locate(canvas)
    assert len(people) == 4
    assert (np.diff((people.boxes.xyxy[:, 2:] - people.boxes.xyxy[:, :2]).prod(axis=1)) < 0).all()  # largest first
    centres = np.sort(people.boxes.xyxy[:, [0, 2]].mean(axis=1))
    assert centres == pytest.approx([238, 610, 815, 956], abs=25)


def test_locate_half_body_gives_points_outside_a_low_score(locator, woman):
    people = locator.locate(np.ascontiguousarray(woman[:310]))
    assert len(people) == 1
    knees = [SKELETONS["blazepose33"].index(f"{side}_knee") for side in ("left", "right")]
    assert (people.keypoints.score[0, knees] <= 0.1).all()
    assert people.boxes.xyxy[0, 3] <= 309


def test_locate_nobody_gives_an_empty_record(locator, rng):
    landscape = cv2.normalize(cv2.GaussianBlur(rng.normal(size=(200, 300, 3)), (0, 0), 12), None, 0, 255, 32)
    for picture in (np.zeros((64, 96, 3), np.uint8), landscape.astype(np.uint8)):
        people = locator.locate(picture)
        assert len(people) == 0
        assert people.keypoints.xy.shape == (0, 33, 2)
        assert people.boxes.xyxy.shape == (0, 4)


def test_locate_clothes_on_the_floor_are_nobody(locator, shared_data):
    for path in sorted((shared_data / "garments" / "shirt").glob("*.jpg"))[:3]:
        assert len(locator.locate(load_picture(path))) == 0


def test_locate_tiny_and_thin_pictures(locator):
    for size in ((1, 1), (1, 90), (90, 1)):
        assert len(locator.locate(np.zeros((*size, 3), np.uint8))) == 0


def test_people_can_be_sliced(locator, woman):
    people = locator.locate(woman)
    assert len(people[:0]) == 0
    assert len(people[[0]].regions) == 1


def test_mask_covers_the_body_and_nothing_far_away(locator, woman):
    people = locator.locate(woman)
    mask = locator.mask(woman, people, 0)
    assert mask.shape == (600, 600)
    assert 0 <= mask.min() and mask.max() <= 1
    limbs = [SKELETONS["blazepose33"].index(name) for name in ("nose", "left_knee", "right_elbow", "left_hip")]
    columns, rows = people.keypoints.xy[0, limbs].round().astype(int).T
    assert (mask[rows, columns] > 0.9).all()
    assert mask[:, :90].max() < 0.1 and mask[:, 500:].max() < 0.1


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (np.zeros((8, 8), np.uint8), ShapeError),
        (np.zeros((8, 8, 4), np.uint8), ShapeError),
        (np.zeros((8, 8, 3), np.float32), InputError),
        (np.zeros((0, 8, 3), np.uint8), InputError),
    ],
)
def test_find_people_refuses_what_is_no_picture(image, error):
    with pytest.raises(error, match="image must"):
        find_people(image)
