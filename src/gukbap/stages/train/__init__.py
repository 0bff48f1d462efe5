"""Supervised fine-tuning: loss on answers only, checkpoints that resume exactly."""

from gukbap.stages.train.stage import TrainResult, train

__all__ = ["TrainResult", "train"]
