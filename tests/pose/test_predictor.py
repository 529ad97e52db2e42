import cv2
import numpy as np
import pytest

from limner.checks import WeightsError
from limner.people import Locator
from limner.pose import SKELETONS, PosePredictor


def test_predict_gives_coco_joints_of_everybody(shared_data):
    image = cv2.imread(str(shared_data / "people" / "ai-body.jpg"))[..., ::-1]
    image = cv2.resize(np.ascontiguousarray(image), (400, 400), interpolation=cv2.INTER_AREA)
    locator = Locator.load("full", threads=1)
    people = locator.locate(image)
    predictor = PosePredictor(locator)
    keypoints = predictor.predict(image, people)
    assert keypoints.skeleton == "coco17" and keypoints.xy.shape == (1, 17, 2)
    nose, ankle = keypoints.xy[0, [0, SKELETONS["coco17"].index("left_ankle")]]
    assert nose[1] < 60 < 340 < ankle[1]
    assert predictor.predict(image, people[:0], skeleton="lsp14").xy.shape == (0, 14, 2)


def test_load_refuses_unknown_names():
    with pytest.raises(WeightsError, match="no pose weights are called 'best'"):
        PosePredictor.load("best")
