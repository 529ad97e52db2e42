"""Train: whole recipes, from a configuration to weights, and the pieces that all of them share.

In: a YAML file with `key=value` overrides, and data sets. Out: a run's folder: configuration, log, checkpoint, best
weights, pictures. A run that was killed goes on to the same numbers. No room imports this one.
Shared: `load_config` (schemas), `start_run` and `fit` (the loop), `update` (one step of one network), `Cost` and
`Judgement` (what a recipe hands over). Recipes: `train_pose`, `train_body`, `train_motion`, `train_face`,
`train_generator`.
Papers: Sun et al. 2019; Kingma and Ba 2015 (Adam); Loshchilov and Hutter 2017, 2019 (cosine, AdamW).
"""

from limner.train.body import body_config_of_run, evaluate_body, train_body
from limner.train.body_protocols import BodyScores
from limner.train.body_settings import BodyConfig, load_body_config
from limner.train.config import ConfigError, changed_keys, fill, load_config, to_yaml
from limner.train.face import train_face
from limner.train.face_settings import FaceTrainConfig
from limner.train.generator import train_generator
from limner.train.generator_settings import GeneratorTrainConfig
from limner.train.log import read_metrics
from limner.train.loop import finish, fit, start_run, update
from limner.train.motion import motion_config_of_run, train_motion
from limner.train.motion_settings import MotionConfig, load_motion_config
from limner.train.order import Samples
from limner.train.pose import config_of_run, evaluate_pose, train_pose
from limner.train.pose_judge import PoseScores
from limner.train.pose_settings import PoseConfig, load_pose_config
from limner.train.ranger import Ranger
from limner.train.resume import load_weights_of_run
from limner.train.run import Cost, Judgement, Position, Run, RunOutcome
from limner.train.settings import LoopConfig, OptimiserConfig, ScheduleConfig

__all__ = [
    "BodyConfig",
    "BodyScores",
    "ConfigError",
    "Cost",
    "FaceTrainConfig",
    "GeneratorTrainConfig",
    "Judgement",
    "LoopConfig",
    "MotionConfig",
    "OptimiserConfig",
    "PoseConfig",
    "PoseScores",
    "Position",
    "Ranger",
    "Run",
    "RunOutcome",
    "Samples",
    "ScheduleConfig",
    "body_config_of_run",
    "changed_keys",
    "config_of_run",
    "evaluate_body",
    "evaluate_pose",
    "fill",
    "finish",
    "fit",
    "load_body_config",
    "load_config",
    "load_motion_config",
    "load_pose_config",
    "load_weights_of_run",
    "motion_config_of_run",
    "read_metrics",
    "start_run",
    "to_yaml",
    "train_body",
    "train_face",
    "train_generator",
    "train_motion",
    "train_pose",
    "update",
]
