"""What a training takes: memory, steps, tokens, operations, hours and cost, told before it starts."""

from gukbap.stages.train.forecast.forecast import Hardware, TrainingForecast, forecast_training
from gukbap.stages.train.forecast.hardware import Gpu, find_gpu
from gukbap.stages.train.forecast.shapes import KNOWN_SHAPES, ModelShape
from gukbap.stages.train.forecast.work import Data

__all__ = [
    "KNOWN_SHAPES",
    "Data",
    "Gpu",
    "Hardware",
    "ModelShape",
    "TrainingForecast",
    "find_gpu",
    "forecast_training",
]
