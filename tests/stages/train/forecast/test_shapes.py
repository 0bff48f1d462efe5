"""Parameters, held against transformers' own models."""

from __future__ import annotations

import pytest

from gukbap.errors import ModelError
from gukbap.stages.train.forecast import KNOWN_SHAPES, ModelShape
from gukbap.stages.train.forecast.shapes import MODEL_TYPES
from tests.stages.train.forecast.shapes import TINY, TINY_LAYER, TINY_PARAMETERS, small_config

#: as the models' cards and repositories publish them
PUBLISHED = {
    "mistralai/Mistral-7B-Instruct-v0.2": 7_241_732_096,
    "Qwen/Qwen2-7B-Instruct": 7_615_616_512,
    "google/gemma-2-9b-it": 9_241_705_984,
    "gemma-3-270m": 268_098_176,
}


@pytest.mark.parametrize("model_type", MODEL_TYPES)
@pytest.mark.parametrize("tied", [True, False])
def test_parameters_are_those_of_the_real_model(model_type: str, tied: bool) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(**small_config(model_type, tie_word_embeddings=tied))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    shape = ModelShape.from_config(config.to_dict())
    assert shape.parameters == sum(parameter.numel() for parameter in model.parameters())
    layer = model.model.layers[0]
    assert shape.layer_parameters == sum(parameter.numel() for parameter in layer.parameters())
    matrices = [parameter for parameter in layer.parameters() if parameter.dim() == 2]
    assert shape.layer_matrices == sum(matrix.numel() for matrix in matrices)


def test_known_shapes_have_the_published_parameters() -> None:
    assert {name: shape.parameters for name, shape in KNOWN_SHAPES.items()} == PUBLISHED


def test_a_tiny_model_counted_by_hand() -> None:
    assert TINY.layer_parameters == TINY_LAYER == 592
    assert TINY.parameters == TINY_PARAMETERS == 1352


def test_sliding_layers_are_read() -> None:
    assert ModelShape.from_config(small_config("mistral")).sliding_layers == 0
    assert ModelShape.from_config(small_config("mistral", sliding_window=64)).sliding_layers == 3
    assert ModelShape.from_config(small_config("gemma2")).sliding_layers == 2
    unused = small_config("qwen2", sliding_window=64, use_sliding_window=False)
    assert ModelShape.from_config(unused).window is None


def test_an_unknown_model_type_and_a_missing_size_are_named() -> None:
    with pytest.raises(ModelError, match="'mamba'"):
        ModelShape.from_config({"model_type": "mamba"})
    config = small_config("mistral")
    del config["intermediate_size"]
    with pytest.raises(ModelError, match="intermediate_size"):
        ModelShape.from_config(config)
