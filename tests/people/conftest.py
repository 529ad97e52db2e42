from pathlib import Path

import cv2
import numpy as np
import pytest

from limner.people import Locator


def load_picture(path: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


@pytest.fixture(scope="session")
def locator() -> Locator:
    return Locator.load("full", threads=1)


@pytest.fixture(scope="session")
def woman(shared_data: Path) -> np.ndarray:
    """A whole body in the A pose, 600 x 600, facing the viewer."""
    return cv2.resize(load_picture(shared_data / "people" / "ai-body.jpg"), (600, 600), interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def striding_video(shared_data: Path) -> Path:
    return shared_data / "people" / "one-by-one-person-detection.mp4"
