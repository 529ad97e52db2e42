from typing import get_args

import numpy as np
import pytest

from limner.checks import InputError
from limner.pose import SKELETONS, add_skeleton, conversion, convert
from limner.records import Keypoints
from limner.types import SkeletonName


def keypoints(skeleton, rng, *, world=False):
    count = len(SKELETONS[skeleton])
    points = rng.uniform(0, 100, (2, count, 2))
    return Keypoints(points, rng.uniform(0.1, 1, (2, count)), skeleton, np.zeros((2, count, 3)) if world else None)


def test_registry_has_every_named_skeleton_with_its_count():
    assert set(SKELETONS) == set(get_args(SkeletonName))
    for name, skeleton in SKELETONS.items():
        assert len(skeleton) == int(name[-2:])
        assert len(set(skeleton.joints)) == len(skeleton)


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda skeleton: skeleton.name)
def test_mirror_is_its_own_inverse_and_limbs_mirror_onto_limbs(skeleton):
    mirror = np.array(skeleton.mirror)
    assert (mirror[mirror] == np.arange(len(skeleton))).all()
    assert all(mirror[left] == right for left, right in skeleton.flip_pairs)
    limbs = {frozenset(limb) for limb in skeleton.limbs}
    assert {frozenset(mirror[list(limb)].tolist()) for limb in limbs} == limbs
    assert {joint for limb in limbs for joint in limb} == set(range(len(skeleton)))  # no joint hangs free


def test_published_orders():
    assert SKELETONS["lsp14"].mirror == (5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 12, 13)
    assert SKELETONS["cocoplus19"].mirror[14:] == (14, 16, 15, 18, 17)
    smpl = "0 2 1 3 5 4 6 8 7 9 11 10 12 14 13 15 17 16 19 18 21 20 23 22"
    assert SKELETONS["smpl24"].mirror == tuple(map(int, smpl.split()))
    assert SKELETONS["coco17"].flip_pairs == tuple((i, i + 1) for i in range(1, 17, 2))
    h36m_to_lsp = conversion("h36m17", "lsp14").argmax(axis=1).tolist()
    assert h36m_to_lsp == [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]
    assert conversion("mpii16", "lsp14").argmax(axis=1).tolist() == [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 8, 9]


@pytest.mark.parametrize("source", SKELETONS)
@pytest.mark.parametrize("target", SKELETONS)
def test_convert_keeps_shared_joints_and_mirrors_alike(source, target, rng):
    given = keypoints(source, rng)
    result = convert(given, target)
    here, there = SKELETONS[source], SKELETONS[target]
    for joint in set(here.joints) & set(there.joints):
        np.testing.assert_allclose(result.xy[:, there.index(joint)], given.xy[:, here.index(joint)], rtol=1e-6)
        np.testing.assert_array_equal(result.score[:, there.index(joint)], given.score[:, here.index(joint)])
    matrix = conversion(source, target)
    np.testing.assert_array_equal(matrix[list(there.mirror)][:, list(here.mirror)], matrix)


def test_convert_means_take_the_lowest_score(rng):
    given = keypoints("blazepose33", rng)
    result = convert(given, "openpose25")
    shoulders = [11, 12]
    np.testing.assert_allclose(result.xy[:, 1], given.xy[:, shoulders].mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(result.score[:, 1], given.score[:, shoulders].min(axis=1))


def test_convert_unknown_joints_score_zero_and_stay_finite(rng):
    result = convert(keypoints("coco17", rng, world=True), "lsp14")
    assert (result.score[:, 13] == 0).all()
    assert (result.xy[:, 13] >= 0).all() and (result.xy[:, 13] <= 100).all()
    assert result.world.shape == (2, 14, 3)


def test_convert_nobody_and_itself():
    empty = Keypoints(np.zeros((0, 33, 2)), np.zeros((0, 33)), "blazepose33")
    assert convert(empty, "smpl24").xy.shape == (0, 24, 2)
    assert convert(empty, "blazepose33") is empty


def test_unknown_names_are_refused(rng):
    with pytest.raises(InputError, match="no skeleton is called 'coco18'"):
        convert(keypoints("coco17", rng), "coco18")
    with pytest.raises(InputError, match="lsp14 has no joint 'nose'"):
        SKELETONS["lsp14"].index("nose")


@pytest.fixture
def registry(monkeypatch):
    from limner.pose import skeletons

    copy = dict(skeletons.SKELETONS)
    monkeypatch.setattr(skeletons, "SKELETONS", copy)
    return copy


def test_a_skeleton_of_one_s_own_is_added_once(registry):
    dog = add_skeleton("dog", ["nose", "left_paw", "right_paw"], [[0, 1], [0, 2]])
    assert registry["dog"] is dog and dog.limbs == ((0, 1), (0, 2)) and dog.flip_pairs == ((1, 2),)
    assert add_skeleton("hound", dog.joints, []) is dog
    assert add_skeleton("person", registry["coco17"].joints, []) is registry["coco17"]
    assert add_skeleton("dog", ["nose", "tail"], []).name == "dog-2"


@pytest.mark.parametrize(
    ("joints", "limbs"), [([], []), (["nose", "nose"], []), (["left_paw"], []), (["nose", "tail"], [[0, 2]])]
)
def test_what_is_no_skeleton_is_refused(registry, joints, limbs):
    count = len(registry)
    with pytest.raises(InputError, match="the skeleton dog cannot be used"):
        add_skeleton("dog", joints, limbs)
    assert len(registry) == count
