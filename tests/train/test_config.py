"""Configurations: filled strictly, every fault told at once, the nearest key named; all shipped ones are sound."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from limner.checks import FileProblem, InputError
from limner.pose import hrnet_config
from limner.train import (
    BodyConfig,
    ConfigError,
    FaceTrainConfig,
    GeneratorTrainConfig,
    MotionConfig,
    PoseConfig,
    changed_keys,
    fill,
    load_body_config,
    load_config,
    load_motion_config,
    load_pose_config,
    to_yaml,
)
from limner.train.config import nearest

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs").rglob("*.yaml"))
READERS = {"pose": load_pose_config, "body": load_body_config, "motion": load_motion_config}
LEFT_TO_THE_USER = {"slim-cpu": ["data.synthetic=8"]}
POSE = """
data: {root: somewhere}
network: {name: hrnet-w16-small}
"""


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    kind: Literal["plain", "fancy"] = "plain"

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise InputError(f"rate must not be negative, got {self.rate}")


@dataclass(frozen=True)
class Outer:
    name: str
    size: tuple[int, int] = (4, 3)
    steps: tuple[float, ...] = ()
    count: int = 2
    is_on: bool = False
    inner: Inner = field(default_factory=Inner)
    other: Inner | None = None
    limit: int | None = None


@pytest.fixture
def pose_yaml(tmp_path: Path) -> Path:
    path = tmp_path / "pose.yaml"
    path.write_text(POSE)
    return path


def _read(path: Path) -> PoseConfig | BodyConfig | MotionConfig | FaceTrainConfig | GeneratorTrainConfig:
    if path.parent.name == "face":
        return load_config(GeneratorTrainConfig if path.stem.startswith("generator") else FaceTrainConfig, path)
    return READERS[path.parent.name](path, LEFT_TO_THE_USER.get(path.stem, []))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_configuration_is_sound(path: Path) -> None:
    config = _read(path)
    assert config.run.startswith("runs/")
    assert f"--config configs/{path.parent.name}/{path.name}" in path.read_text(), "its head tells how to run it"
    if isinstance(config, PoseConfig):
        config.network.table(17)


def test_all_shipped_configurations_were_found_and_have_runs_of_their_own() -> None:
    assert {path.parent.name for path in CONFIGS} == {"pose", "body", "motion", "face"}
    runs = [_read(path).run for path in CONFIGS]
    assert len(set(runs)) == len(runs)


def test_fills_what_is_given_and_keeps_the_rest() -> None:
    filled = fill(Outer, {"name": "x", "size": [1, 2], "steps": [1, 2.5], "count": 1e3, "inner": {"rate": 1}})
    assert filled == Outer("x", (1, 2), (1.0, 2.5), 1000, inner=Inner(1.0))
    assert fill(Outer, {"name": "x", "other": {"kind": "fancy"}, "limit": None}).other == Inner(kind="fancy")


def test_a_filled_schema_comes_back_from_its_yaml(tmp_path: Path, pose_yaml: Path) -> None:
    config = load_pose_config(pose_yaml, ["schedule.steps=[1,2]", "network.num_joints=14", "optimiser.lr=3e-5"])
    path = tmp_path / "again.yaml"
    path.write_text(to_yaml(config))
    assert load_pose_config(path) == config


@pytest.mark.parametrize(
    ("tree", "fault"),
    [
        ({"name": "x", "conut": 3}, "unknown key conut, did you mean count?"),
        ({"name": "x", "rate": 3}, "unknown key rate, did you mean inner.rate?"),
        ({"name": "x", "inner": {"kindd": 3}}, "unknown key inner.kindd, did you mean inner.kind?"),
        ({"name": "x", "qqqqqqqq": 3}, "unknown key qqqqqqqq"),
        ({}, "name is missing"),
        ({"name": 3}, "name must be text"),
        ({"name": "x", "size": [1]}, "size must be a list of 2, got [1]"),
        ({"name": "x", "size": 3}, "size must be a list of 2, got 3"),
        ({"name": "x", "size": [1, "b"]}, "size[1] must be a whole number, got 'b'"),
        ({"name": "x", "steps": "12"}, "steps must be a list, got '12'"),
        ({"name": "x", "count": 2.5}, "count must be a whole number, got 2.5"),
        ({"name": "x", "count": True}, "count must be a whole number, got True"),
        ({"name": "x", "count": None}, "count must be a whole number, got None"),
        ({"name": "x", "is_on": 1}, "is_on must be true or false, got 1"),
        ({"name": "x", "inner": 3}, "inner must be a section of keys, got 3"),
        ({"name": "x", "inner": {"rate": float("nan")}}, "inner.rate must be a finite number"),
        ({"name": "x", "inner": {"rate": -1}}, "inner: rate must not be negative, got -1.0"),
        ({"name": "x", "inner": {"kind": "fancyy"}}, "must be one of plain, fancy, got 'fancyy'; did you mean fancy?"),
        ({"name": "x", "limit": "many"}, "limit must be a whole number, got 'many'"),
    ],
)  # fmt: skip
def test_names_the_fault(tree: dict, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fill(Outer, tree)
    assert len(caught.value.faults) == 1
    assert fault in caught.value.faults[0]


def test_tells_all_faults_at_once(pose_yaml: Path) -> None:
    wrong = ["lr=1", "optimiser.betas=[1,2,3]", "loop.precision=bf17", "data.limit=-1", "input.sigma=0", "dota.root=x"]
    with pytest.raises(ConfigError) as caught:
        load_pose_config(pose_yaml, wrong)
    told = str(caught.value)
    assert told.startswith(f"{pose_yaml} has 6 faults: ")
    for word in ("optimiser.lr?", "optimiser.betas", "loop.precision", "limit", "sigma", "dota, did you mean data?"):
        assert word in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("data: [", "no YAML that can be read"),
        ("- a\n- b\n", "must hold keys and values"),
        ("data: ${nowhere}\n", "no YAML that can be read"),
        ("data: !!python/object/apply:os.getcwd []\n", "no YAML that can be read"),
        ("\x00\x01", "no YAML that can be read"),
        ("a: 1\na: 2\n", "no YAML that can be read"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=sentence):
        load_config(Outer, path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"no configuration at .*nowhere\.yaml"):
        load_config(Outer, tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("word", ["data.root", "=3", "data.root=["])
def test_an_override_that_is_none(pose_yaml: Path, word: str) -> None:
    with pytest.raises(ConfigError):
        load_pose_config(pose_yaml, [word])


def test_overrides_win_and_reach_into_sections(pose_yaml: Path) -> None:
    config = load_pose_config(
        pose_yaml, ["data.root=other", "loop.epochs=3", "input.input_hw=[64,32]", "optimiser.lr=1e-4"]
    )
    assert (config.data.root, config.loop.epochs, config.input.input_hw, config.optimiser.lr) == (
        "other",
        3,
        (64, 32),
        1e-4,
    )
    assert config.input.cells == (16, 8)


def test_any_table_can_be_written_out(pose_yaml: Path, tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    stages = ""
    for n in (2, 3, 4):
        channels = [8 * 2**b for b in range(n)]
        stages += f"    stage{n}: {{num_modules: 1, num_blocks: {[2] * n}, num_channels: {channels}}}\n"
    path.write_text("data: {root: x}\nnetwork:\n  hrnet:\n" + stages)
    assert load_pose_config(path).network.table(5) == hrnet_config(8, num_modules=(1, 1, 1), num_blocks=2, num_joints=5)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("network.name=hrnet-w23", "no pose network is called 'hrnet-w23'; did you mean"),
        ("network.name=null", "one of name, hrnet and resnet must say which network, got 0"),
        ("network.resnet={depth: 51}", "there is no ResNet of depth 51"),
        ("network.resnet={}", "got 2 of them"),
        ("input.input_hw=[250,192]", "must be multiples of 32"),
        ("input.heatmap_hw=[64,64]", "heatmap_hw must be a quarter of input_hw, (64, 48)"),
        ("data.detections=x", "detections need a valid part"),
        ("schedule.steps=[5,3]", "steps must rise"),
    ],
)
def test_rules_between_keys(pose_yaml: Path, override: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_pose_config(pose_yaml, [override])
    assert sentence in str(caught.value)


def test_nearest_prefers_the_same_last_name() -> None:
    known = ("loop.batch", "test.batch", "optimiser.lr", "data.root")
    assert nearest("batch", known) == "loop.batch"
    assert nearest("optimizer.lr", known) == "optimiser.lr"
    assert nearest("rot", known) == "data.root"
    assert nearest("zzz", known) == ""


def test_changed_keys_are_dotted(pose_yaml: Path) -> None:
    one = load_pose_config(pose_yaml)
    assert changed_keys(one, one) == []
    assert changed_keys(one, load_pose_config(pose_yaml, ["loop.seed=4", "data.root=x"])) == ["data.root", "loop.seed"]
