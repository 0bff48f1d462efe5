"""Tiny models with random weights: real architecture, no knowledge; for tests and dry runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gukbap.adapters.model_cache import cache_folder, locked
from gukbap.errors import ModelError
from gukbap.files import atomic_folder
from gukbap.ports import Progress

#: Part of the folder's name: raise it when the same seed gives other weights or another tokenizer.
VERSION = 2
SPECIAL_TOKENS = (
    "<unk>",
    "<s>",
    "</s>",
    "<pad>",
    "<|im_start|>",
    "<|im_end|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<eos>",
)
BYTES = 256
#: Sizes of `mistral-tiny`, as in its config.json.
MISTRAL_TINY: dict[str, Any] = {
    "model_type": "mistral",
    "vocab_size": len(SPECIAL_TOKENS) + BYTES,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "sliding_window": None,
}


def random_model(name: str, seed: int, progress: Progress) -> Path:
    """The folder of the random model `name`: equal seeds give equal weights.

    Raises:
        ModelError: there is no such model.
    """
    if name != "mistral-tiny":
        raise ModelError(
            f"there is no random model {name!r}", expected="random://mistral-tiny?seed=N, N a whole number"
        )
    folder = cache_folder() / "random" / f"{name}-seed{seed}-v{VERSION}"
    if folder.is_dir():
        return folder
    with locked(folder, progress):
        if not folder.is_dir():
            with atomic_folder(folder) as temporary:
                write_random_model(MISTRAL_TINY, seed, temporary)
    return folder


def write_random_model(sizes: Mapping[str, Any], seed: int, folder: Path) -> None:
    """Write a model with random weights and a tokenizer of bytes into a folder.

    Args:
        sizes: keys of a `config.json`, `model_type` among them.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = _byte_tokenizer()
    config = AutoConfig.for_model(
        **sizes,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _byte_tokenizer() -> Any:
    """One token a UTF-8 byte: BPE over the 256-byte alphabet without merges, and special tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    symbols = [*SPECIAL_TOKENS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    vocabulary = {symbol: index for index, symbol in enumerate(symbols)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",  # noqa: S106
        bos_token="<s>",  # noqa: S106
        eos_token="</s>",  # noqa: S106
        pad_token="<pad>",  # noqa: S106
        additional_special_tokens=list(SPECIAL_TOKENS[4:]),
        model_max_length=4096,
    )
