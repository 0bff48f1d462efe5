"""What of a model's configuration decides on the memory and the time of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gukbap.errors import ModelError

#: model types of transformers whose layers are counted here, and how they differ
_QKV_BIAS = {"qwen2"}
_QK_NORMS = {"qwen3", "gemma3_text"}
#: each sublayer is normalised before and after; the norm's weight is multiplied in float32
_SANDWICH_NORMS = {"gemma2", "gemma3_text"}
MODEL_TYPES = ("gemma2", "gemma3_text", "llama", "mistral", "qwen2", "qwen3")


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a decoder-only transformer with gated feed-forward layers.

    Attributes:
        model_type: as transformers calls it, one of MODEL_TYPES.
        hidden, intermediate, head_dim: widths, in numbers a token.
        heads, kv_heads: query heads, and those of keys and values.
        tied: the output layer is the embedding.
        attention_cap, logit_cap: softcaps of attention scores and logits; None: none.
        window: tokens that a sliding layer looks back; None where `sliding_layers` is 0.
    """

    model_type: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    tied: bool
    attention_cap: float | None = None
    logit_cap: float | None = None
    window: int | None = None
    sliding_layers: int = 0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> ModelShape:
        """The shape in a `config.json` as transformers writes it.

        Raises:
            ModelError: the model type is none of MODEL_TYPES, or a size is missing.
        """
        kind = config.get("model_type")
        if kind not in MODEL_TYPES:
            raise ModelError(
                f"the training of a model of type {kind!r} is not forecast",
                expected=f"one of {', '.join(MODEL_TYPES)}",
            )
        try:
            heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
            layers = int(config["num_hidden_layers"])
            sliding = _sliding_layers(config, layers)
            return cls(
                model_type=kind,
                hidden=hidden,
                layers=layers,
                heads=heads,
                kv_heads=int(config.get("num_key_value_heads") or heads),
                head_dim=int(config.get("head_dim") or hidden // heads),
                intermediate=int(config["intermediate_size"]),
                vocabulary=int(config["vocab_size"]),
                tied=bool(config.get("tie_word_embeddings", kind in _SANDWICH_NORMS)),
                attention_cap=config.get("attn_logit_softcapping"),
                logit_cap=config.get("final_logit_softcapping"),
                window=config.get("sliding_window") if sliding else None,
                sliding_layers=sliding,
            )
        except KeyError as error:
            raise ModelError(f"the model's config.json has no {error}") from error

    @property
    def query_width(self) -> int:
        """Numbers a token of all queries (and of what attention gives back)."""
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        """Numbers a token of all keys (and of all values)."""
        return self.kv_heads * self.head_dim

    def matrix(self, name: str) -> tuple[int, int]:
        """What goes into and comes out of a layer's matrix, in numbers a token, by transformers' name."""
        return {
            "q_proj": (self.hidden, self.query_width),
            "k_proj": (self.hidden, self.kv_width),
            "v_proj": (self.hidden, self.kv_width),
            "o_proj": (self.query_width, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }[name]

    @property
    def sandwich_norms(self) -> bool:
        """Whether a sublayer is normalised before and after (Gemma 2 and 3)."""
        return self.model_type in _SANDWICH_NORMS

    @property
    def qk_norms(self) -> bool:
        """Whether queries and keys are normalised."""
        return self.model_type in _QK_NORMS

    @property
    def layer_matrices(self) -> int:
        """Numbers of a layer's weight matrices, which all take part in a product for each token."""
        attention = 2 * self.hidden * (self.query_width + self.kv_width)
        return attention + 3 * self.hidden * self.intermediate

    @property
    def layer_parameters(self) -> int:
        """Parameters of one layer."""
        norms = (4 if self.sandwich_norms else 2) * self.hidden
        biases = self.query_width + 2 * self.kv_width if self.model_type in _QKV_BIAS else 0
        return self.layer_matrices + norms + biases + (2 * self.head_dim if self.qk_norms else 0)

    @property
    def embedding(self) -> int:
        """Parameters of the input embedding; the output layer has as many, its own or the same."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All parameters, a tied embedding once."""
        embeddings = self.embedding if self.tied else 2 * self.embedding
        return embeddings + self.layers * self.layer_parameters + self.hidden


def _sliding_layers(config: Mapping[str, Any], layers: int) -> int:
    if not config.get("sliding_window") or config.get("use_sliding_window") is False:
        return 0
    types = config.get("layer_types")
    if types is not None:
        return sum(kind == "sliding_attention" for kind in types)
    if config["model_type"] == "gemma2":  # every other one, the first included
        return (layers + 1) // 2
    return layers


#: Shapes of models whose configuration need not be here: the card's students, and the local recipe's.
#: Read from their published configurations (config.json of the named repositories).
KNOWN_SHAPES = {
    "mistralai/Mistral-7B-Instruct-v0.2": ModelShape(
        "mistral", 4096, 32, 32, 8, 128, 14336, 32000, tied=False
    ),
    "Qwen/Qwen2-7B-Instruct": ModelShape("qwen2", 3584, 28, 28, 4, 128, 18944, 152064, tied=False),
    "google/gemma-2-9b-it": ModelShape(
        "gemma2",
        3584,
        42,
        16,
        8,
        256,
        14336,
        256000,
        tied=True,
        attention_cap=50.0,
        logit_cap=30.0,
        window=4096,
        sliding_layers=21,
    ),
    "gemma-3-270m": ModelShape(
        "gemma3_text", 640, 18, 4, 1, 256, 2048, 262144, tied=True, window=512, sliding_layers=15
    ),
}
