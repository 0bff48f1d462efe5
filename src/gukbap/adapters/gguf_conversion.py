"""Turn a GGUF file into a folder that transformers loads at once."""

from __future__ import annotations

from pathlib import Path

from gukbap.adapters.model_cache import cache_folder, locked
from gukbap.errors import ModelError
from gukbap.files import atomic_folder
from gukbap.ports import Progress

#: Part of the converted folder's name: raise it when the conversion gives another result.
CONVERSION = 1


def converted_folder(gguf: Path, identity: str, progress: Progress) -> Path:
    """The transformers folder of a GGUF file, converted once into the cache.

    The weights are dequantised to float32: a quantised weight is a product of a scale and a small
    integer, which bfloat16 cannot hold (only about 3 % of Gemma 3's embedding stays exact).

    Args:
        gguf: the file.
        identity: a name for the file's content; two contents never share one.

    Raises:
        ModelError: transformers cannot read the file.
    """
    folder = cache_folder() / "transformers" / f"{identity}-v{CONVERSION}"
    if folder.is_dir():
        return folder
    with locked(folder, progress):
        if not folder.is_dir():
            progress.say(f"converting {gguf.name} for transformers, once; this takes a minute or two")
            with atomic_folder(folder) as temporary:
                _convert(gguf, temporary)
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    # Their bars count tensors on lines of their own, in the middle of ours.
    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    # A damaged file shows in many ways: struct.error, IndexError, KeyError, ValueError …
    except Exception as error:
        raise ModelError(
            f"{gguf} cannot be read as a model ({error})", expected="a GGUF file that transformers supports"
        ) from error
    finally:
        logging.enable_progress_bar()
    # The weights are plain tensors now, while transformers still takes them for quantised ones.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config._name_or_path = ""
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
