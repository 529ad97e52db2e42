"""Official experiment files run as they are, with their own defaults, or are refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.io import savemat

from limner.media import write_image
from limner.pose import SKELETONS
from limner.train import ConfigError, config_of_run, evaluate_pose, load_pose_config, read_metrics, train_pose

STAGES = {2: (1, 2), 3: (4, 3), 4: (3, 4)}  # modules, branches


def experiment(kind: str, dataset: str, size_hw: tuple[int, int], *, width: int = 32, depth: int = 50) -> dict:
    """An experiment with the keys that the published files have."""
    is_hrnet, is_coco, (height, w) = kind == "hrnet", dataset == "coco", size_hw
    extra: dict = {"FINAL_CONV_KERNEL": 1}
    if is_hrnet:
        extra["PRETRAINED_LAYERS"] = ["conv1", "bn1", "layer1", "stage2"]
        for stage, (modules, branches) in STAGES.items():
            extra[f"STAGE{stage}"] = {
                "NUM_MODULES": modules,
                "NUM_BRANCHES": branches,
                "BLOCK": "BASIC",
                "NUM_BLOCKS": [4] * branches,
                "NUM_CHANNELS": [width * 2**b for b in range(branches)],
                "FUSE_METHOD": "SUM",
            }
    else:
        extra |= {"DECONV_WITH_BIAS": False, "NUM_DECONV_LAYERS": 3, "NUM_LAYERS": depth}
        extra |= {"NUM_DECONV_FILTERS": [256] * 3, "NUM_DECONV_KERNELS": [4] * 3}
    dataset_keys = {
        "COLOR_RGB": is_hrnet,
        "DATASET": dataset,
        "DATA_FORMAT": "jpg",
        "FLIP": True,
        "NUM_JOINTS_HALF_BODY": 8,
        "PROB_HALF_BODY": 0.3 if is_coco else -1.0,
        "ROOT": f"data/{dataset}/",
        "ROT_FACTOR": 45 if is_coco else 30,
        "SCALE_FACTOR": 0.35 if is_coco else 0.25,
        "TEST_SET": "val2017" if is_coco else "valid",
        "TRAIN_SET": "train2017" if is_coco else "train",
    }
    model = {
        "NAME": f"pose_{kind}",
        "PRETRAINED": "models/imagenet.pth",
        "NUM_JOINTS": 17 if is_coco else 16,
        "TARGET_TYPE": "gaussian",
        "IMAGE_SIZE": [w, height],
        "HEATMAP_SIZE": [w // 4, height // 4],
        "SIGMA": 3 if height == 384 else 2,
        "EXTRA": extra,
    }
    train = {
        "BATCH_SIZE_PER_GPU": 32,
        "SHUFFLE": True,
        "BEGIN_EPOCH": 0,
        "END_EPOCH": 210 if is_hrnet else 140,
        "OPTIMIZER": "adam",
        "LR": 0.001,
        "LR_FACTOR": 0.1,
        "LR_STEP": [170, 200] if is_hrnet else [90, 120],
        "WD": 0.0001,
        "GAMMA1": 0.99,
        "GAMMA2": 0.0,
        "MOMENTUM": 0.9,
        "NESTEROV": False,
    }
    test = {
        "BATCH_SIZE_PER_GPU": 32,
        "COCO_BBOX_FILE": "data/boxes.json",
        "BBOX_THRE": 1.0,
        "IMAGE_THRE": 0.0,
        "IN_VIS_THRE": 0.2,
        "MODEL_FILE": "",
        "NMS_THRE": 1.0,
        "OKS_THRE": 0.9,
        "USE_GT_BBOX": True,
        "FLIP_TEST": True,
        "POST_PROCESS": True,
        "SHIFT_HEATMAP": True,
    }
    return {
        "AUTO_RESUME": True,
        "CUDNN": {"BENCHMARK": True, "DETERMINISTIC": False, "ENABLED": True},
        "DATA_DIR": "",
        "GPUS": "(0,1,2,3)",
        "OUTPUT_DIR": "output",
        "LOG_DIR": "log",
        "WORKERS": 24,
        "PRINT_FREQ": 100,
        "DATASET": dataset_keys,
        "MODEL": model,
        "LOSS": {"USE_TARGET_WEIGHT": True},
        "TRAIN": train,
        "TEST": test,
        "DEBUG": {"DEBUG": True, "SAVE_BATCH_IMAGES_GT": True, "SAVE_HEATMAPS_PRED": True},
    }


def write(folder: Path, tree: dict) -> Path:
    path = folder / "w32_256x192.adam.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


SIZES = {"coco": [(256, 192), (384, 288)], "mpii": [(256, 256)]}
CASES = [
    *[("hrnet", data, size, {"width": width}) for data in SIZES for size in SIZES[data] for width in (32, 48)],
    *[("resnet", data, size, {"depth": depth}) for data in SIZES for size in SIZES[data] for depth in (50, 101, 152)],
]


@pytest.mark.parametrize(("kind", "dataset", "size_hw", "table"), CASES)
def test_published_experiments_become_configurations(
    tmp_path: Path, kind: str, dataset: str, size_hw: tuple[int, int], table: dict
) -> None:
    config = load_pose_config(write(tmp_path, experiment(kind, dataset, size_hw, **table)))
    number = next(iter(table.values()))
    assert config.network.title == (f"hrnet-w{number}" if kind == "hrnet" else f"pose-resnet-{number}")
    assert config.input.input_hw == size_hw
    assert config.input.sigma == (3 if size_hw == (384, 288) else 2)
    assert config.input.colour == ("rgb" if kind == "hrnet" else "bgr")
    assert config.network.num_joints == (17 if dataset == "coco" else 16)
    assert (config.schedule.steps, config.loop.epochs) == (((170, 200), 210) if kind == "hrnet" else ((90, 120), 140))
    assert (config.optimiser.name, config.optimiser.weight_decay, config.loss.name) == ("adam", 0, "mse")
    assert config.augment.half_body == (0.3 if dataset == "coco" else 0)
    assert (config.test.flip, config.test.shift, config.test.decoding) == (True, True, "quarter")
    assert config.data.detections is None
    assert config.run == f"output/{dataset}/pose_{kind}/w32_256x192"


def test_the_folder_name_is_cut_at_the_first_dot(tmp_path: Path) -> None:
    assert load_pose_config(write(tmp_path, experiment("hrnet", "coco", (256, 192)))).run.endswith("/w32_256x192")


def test_missing_keys_have_the_published_code_s_defaults(tmp_path: Path) -> None:
    tree = experiment("hrnet", "mpii", (256, 256))
    small = {"MODEL": {key: tree["MODEL"][key] for key in ("NAME", "EXTRA")}, "DATASET": {"ROOT": "x"}}
    config = load_pose_config(write(tmp_path, small))
    assert (config.input.input_hw, config.input.colour, config.network.num_joints) == ((256, 256), "bgr", 17)
    assert (config.augment.scale, config.augment.rotation_deg, config.augment.half_body) == (0.25, 30, 0)
    assert (config.loop.epochs, config.schedule.steps, config.loop.batch) == (140, (90, 110), 32)
    assert (config.test.flip, config.test.decoding, config.test.oks_threshold) == (False, "plain", 0.5)


def test_overrides_may_speak_either_language(tmp_path: Path) -> None:
    path = write(tmp_path, experiment("hrnet", "coco", (256, 192)))
    config = load_pose_config(
        path,
        ["TEST.USE_GT_BBOX=false", "TRAIN.OPTIMIZER=sgd", "DATA_DIR=/d", "loop.epochs=3", "optimiser.momentum=0.8"],
    )
    assert config.data.detections == "data/boxes.json"  # the published code does not look for it below DATA_DIR
    assert (config.data.root, config.network.pretrained) == ("/d/data/coco/", "/d/models/imagenet.pth")
    assert (config.optimiser.name, config.optimiser.weight_decay, config.optimiser.momentum) == ("sgd", 1e-4, 0.8)
    assert config.loop.epochs == 3


def test_an_empty_pretrained_stays_empty_below_a_data_dir(tmp_path: Path) -> None:
    path = write(tmp_path, experiment("hrnet", "coco", (256, 192)))
    assert load_pose_config(path, ["DATA_DIR=/d", "MODEL.PRETRAINED=''"]).network.pretrained == ""


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("TRAIN.LRR=1", "unknown key TRAIN.LRR, did you mean TRAIN.LR?"),
        ("TRIAN.LR=1", "unknown key TRIAN.LR, did you mean TRAIN.LR?"),
        ("TRAIN=3", "TRAIN must be a section of keys, got 3"),
        ("TRAIN.LR=fast", "TRAIN.LR must be like 0.001, got 'fast'"),
        ("TRAIN.END_EPOCH=true", "TRAIN.END_EPOCH must be like 140, got True"),
        ("TRAIN.OPTIMIZER=lion", "TRAIN.OPTIMIZER must be adam or sgd, got 'lion'"),
        ("TRAIN.BEGIN_EPOCH=5", "TRAIN.BEGIN_EPOCH must be 0"),
        ("DATASET.DATASET=lsp", "DATASET.DATASET must be coco or mpii, got 'lsp'"),
        ("DATASET.DATA_FORMAT=tar", "DATASET.DATA_FORMAT must be jpg or zip"),
        ("MODEL.TARGET_TYPE=offset", "MODEL.TARGET_TYPE must be gaussian"),
        ("MODEL.IMAGE_SIZE=[192]", "MODEL.IMAGE_SIZE must be width and height, got [192]"),
        ("MODEL.IMAGE_SIZE=[190,256]", "heatmap_hw must be a quarter of input_hw"),
        ("MODEL.NAME=pose_vit", "MODEL.NAME must be pose_hrnet or pose_resnet, got 'pose_vit'"),
        ("MODEL.EXTRA.STAGE2.NUM_BRANCHES=3", "NUM_BRANCHES is 3, with blocks for 2 branches"),
    ],
)
def test_names_what_it_cannot_do(tmp_path: Path, override: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_pose_config(write(tmp_path, experiment("hrnet", "coco", (256, 192))), [override])
    assert sentence in str(caught.value)


def small(kind: str, dataset: str) -> dict:
    """An experiment with thin stages on tiny pictures, for one epoch."""
    tree = experiment(kind, dataset, (64, 64), width=8)
    for stage in (2, 3, 4):
        tree["MODEL"]["EXTRA"][f"STAGE{stage}"] |= {"NUM_MODULES": 1, "NUM_BLOCKS": [1] * stage}
    tree["MODEL"]["PRETRAINED"] = ""
    tree["TRAIN"] |= {"END_EPOCH": 1, "BATCH_SIZE_PER_GPU": 4}
    return tree | {"WORKERS": 0}


def write_coco(root: Path) -> None:
    rng = np.random.default_rng(0)
    for part in ("train2017", "val2017"):
        (root / "images" / part).mkdir(parents=True)
        images, people = [], []
        for number in range(1, 6):
            write_image(root / "images" / part / f"{number:012d}.jpg", rng.integers(0, 256, (50, 60, 3), np.uint8))
            images.append({"id": number, "width": 60, "height": 50})
            joints = [value for x, y in rng.uniform(10, 40, (17, 2)).tolist() for value in (x, y, 2)]
            person = {"id": number, "image_id": number, "category_id": 1, "bbox": [5, 5, 40, 40], "area": 1000.0}
            people.append(person | {"iscrowd": 0, "num_keypoints": 17, "keypoints": joints})
        category = {"id": 1, "name": "person", "keypoints": list(SKELETONS["coco17"].joints), "skeleton": []}
        tree = {"images": images, "annotations": people, "categories": [category]}
        (root / "annotations").mkdir(exist_ok=True)
        (root / "annotations" / f"person_keypoints_{part}.json").write_text(json.dumps(tree))


def write_mpii(root: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("annot", "images"):
        (root / folder).mkdir(parents=True)
    people = []
    for number in range(5):
        write_image(root / "images" / f"{number}.jpg", rng.integers(0, 256, (60, 60, 3), np.uint8))
        joints = rng.uniform(10, 50, (16, 2)).tolist()
        people.append(
            {"image": f"{number}.jpg", "center": [30, 30], "scale": 0.3, "joints": joints, "joints_vis": [1] * 16}
        )
    for part in ("train", "valid"):
        (root / "annot" / f"{part}.json").write_text(json.dumps(people))
    names = np.empty((1, 16), object)
    names[0] = "rank rkne rhip lhip lkne lank pelv thor neck head rwri relb rsho lsho lelb lwri".split()
    truth = {
        "jnt_missing": np.zeros((16, 5)),
        "pos_gt_src": np.stack([person["joints"] for person in people], axis=2),
        "headboxes_src": np.tile(np.array([[10.0, 10], [20, 22]])[..., None], (1, 1, 5)),
        "dataset_joints": names,
    }
    savemat(root / "annot" / "gt_valid.mat", truth)


@pytest.mark.recipe
@pytest.mark.parametrize(
    ("dataset", "writer", "measure"), [("coco", write_coco, "AP"), ("mpii", write_mpii, "Mean@0.1")]
)
def test_an_official_experiment_runs_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str, writer, measure: str
) -> None:
    monkeypatch.chdir(tmp_path)
    writer(tmp_path / "data" / dataset)
    path = write(tmp_path, small("hrnet", dataset))
    outcome = train_pose(load_pose_config(path, ["loop.device=cpu", "loop.tensorboard=false"]))
    assert outcome.folder == Path("output") / dataset / "pose_hrnet" / "w32_256x192"
    assert outcome.steps == 2
    assert measure in read_metrics(outcome.folder)[-1]
    scores = evaluate_pose(config_of_run(outcome.folder), outcome.folder)
    assert "flip test: yes; decoding: quarter-cell shift" in scores.text


def test_detected_boxes_are_judged_without_a_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_coco(tmp_path / "data" / "coco")
    boxes = [
        {"image_id": number, "category_id": 1, "bbox": [3, 4, 42, 43], "score": 0.9 - 0.1 * number}
        for number in (1, 2, 2, 3)
    ]
    (tmp_path / "data" / "boxes.json").write_text(json.dumps(boxes))
    tree = small("hrnet", "coco")
    tree["TEST"]["USE_GT_BBOX"] = False
    outcome = train_pose(load_pose_config(write(tmp_path, tree), ["loop.device=cpu", "loop.tensorboard=false"]))
    judged = read_metrics(outcome.folder)[-1]
    assert "AP" in judged and "loss" not in judged
    scores = evaluate_pose(config_of_run(outcome.folder), outcome.folder)
    assert "detected" in scores.text or "boxes.json" in scores.text
