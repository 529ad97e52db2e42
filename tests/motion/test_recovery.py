"""The inputs of the Liquid Warping networks: which picture is masked by what."""

from __future__ import annotations

import pytest
import torch

from limner.motion.masks import erode
from limner.motion.recovery import AUGMENTED_TARGET_EROSION, BACKGROUND_EROSION, DrawnBody, NetworkInputs, recover_flow

SIZE = 48


def drawn(rows: slice, columns: slice) -> DrawnBody:
    """A body of one face that covers a rectangle, and lies in the middle of the source."""
    face_index = torch.full((1, SIZE, SIZE), -1, dtype=torch.int32)
    face_index[0, rows, columns] = 0
    weights = torch.zeros(1, SIZE, SIZE, 3)
    weights[0, rows, columns, 0] = 1
    background = (face_index < 0).float()[:, None]
    condition = torch.cat([1 - background, torch.full_like(background, 0.5) * (1 - background), background], dim=1)
    return DrawnBody(face_index, weights, torch.zeros(1, 1, 3, 2), condition)


SOURCE, TARGET = drawn(slice(20, 30), slice(18, 26)), drawn(slice(8, 40), slice(30, 34))


def recovered(**options: object) -> NetworkInputs:
    source_image, target_image = torch.full((1, 3, SIZE, SIZE), 0.25), torch.full((1, 3, SIZE, SIZE), -0.5)
    return recover_flow(source_image, target_image, SOURCE, TARGET, torch.zeros(1, 19, 2), **options)


def test_masks_are_one_on_the_background_with_the_person_grown_by_a_pixel() -> None:
    inputs = recovered()
    assert inputs.source_mask[0, 0, 25].tolist() == [1] * 17 + [0] * 10 + [1] * 21
    assert inputs.target_mask[0, 0, 20].tolist() == [1] * 29 + [0] * 6 + [1] * 13


def test_the_source_background_ends_with_its_mask() -> None:
    background = recovered().source_background
    mask = erode(SOURCE.background, BACKGROUND_EROSION)
    assert torch.equal(background[:, 3:], mask)
    assert torch.equal(background[:, :3], (0.25 * mask).expand(1, 3, SIZE, SIZE))


def test_the_source_shows_the_person_alone() -> None:
    source = recovered().source
    assert source.shape == (1, 6, SIZE, SIZE) and torch.equal(source[:, 3:], SOURCE.condition)
    assert source[0, 0, 25, 20] == 0.25 and source[0, 0, 2, 2] == 0


def test_the_transfer_samples_the_source_where_the_target_is() -> None:
    transfer = recovered().transfer
    on_body = TARGET.face_index >= 0
    assert torch.allclose(transfer[:, :3][on_body[:, None].expand(1, 3, SIZE, SIZE)], torch.tensor(0.25))
    assert transfer[:, :3][~on_body[:, None].expand(1, 3, SIZE, SIZE)].abs().max() == 0
    assert torch.equal(transfer[:, 3:], TARGET.condition)


def test_further_backgrounds_only_when_asked_for() -> None:
    plain = recovered()
    assert plain.target_background is None and plain.auxiliary_background is None


@pytest.mark.parametrize("augmented", [False, True])
def test_the_targets_background_is_eroded_more_beside_an_auxiliary_picture(augmented: bool) -> None:
    auxiliary = torch.full((1, 3, SIZE, SIZE), 0.75) if augmented else None
    inputs = recovered(auxiliary_image=auxiliary, with_target_background=True)
    size = AUGMENTED_TARGET_EROSION if augmented else BACKGROUND_EROSION
    assert inputs.target_background is not None
    assert torch.equal(inputs.target_background[:, 3:], erode(TARGET.background, size))
    if augmented:
        assert inputs.auxiliary_background is not None
        assert torch.equal(inputs.auxiliary_background[:, 3:], inputs.source_background[:, 3:])
        assert inputs.auxiliary_background[0, 0, 2, 2] == 0.75
