import numpy as np
import pytest

from limner.people import Region


def test_region_upright_puts_the_rim_straight_above_the_centre():
    region = Region.upright(np.array([30.0, 20.0]), np.array([50.0, 20.0]))  # the person lies, head to the right
    assert region.side == pytest.approx(2 * 20 * 1.25)
    assert region.angle == pytest.approx(np.pi / 2)
    top_middle = region.to_picture(np.array([[0.5, 0.0]]))[0]
    assert top_middle == pytest.approx([30 + 25, 20])


def test_region_whole_picture_crop_is_the_picture():
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    crop = Region(7.5, 7.5, 16).crop(image, 16)
    assert np.abs(crop.astype(int) - image).max() <= 1  # fixed-point bilinear weights


def test_region_crop_is_black_beyond_the_border():
    image = np.full((8, 8, 3), 200, np.uint8)
    crop = Region(-20.0, -20.0, 8).crop(image, 8)
    assert not crop.any()


def test_region_paste_undoes_crop():
    yy, xx = np.mgrid[:64, :48]
    smooth = (100 + 60 * np.sin(xx / 9) * np.cos(yy / 11)).astype(np.uint8)
    region = Region(22.0, 30.0, 30.0, 0.4)
    crop = region.crop(np.repeat(smooth[..., None], 3, axis=2), 60)
    back = region.paste(crop[..., 0].astype(np.float32), (64, 48), border=-1)
    inside = np.hypot(xx - 22, yy - 30) < 12
    assert (back[np.hypot(xx - 22, yy - 30) > 24] == -1).all()
    assert np.abs(back - smooth)[inside].max() < 4


def test_region_strong_reduction_does_not_alias():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = Region(255.5, 255.5, 512).crop(stripes, 32)
    assert crop.std() < 8
    assert crop.mean() == pytest.approx(127, abs=4)


def test_region_points_keep_their_places_when_the_picture_is_reduced():
    image = np.zeros((400, 400, 3), np.uint8)
    image[100:108, 300:308] = 255  # centre 303.5, 103.5
    crop = Region(199.5, 199.5, 400).crop(image, 50)[..., 0].astype(float)
    rows, columns = np.mgrid[:50, :50]
    centre = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum()
    assert (centre + 0.5) * 8 - 0.5 == pytest.approx([303.5, 103.5], abs=0.6)
