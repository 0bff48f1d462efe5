"""Generated conversations, and a tokenizer of the kind that Mistral v0.2 has."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

from gukbap.schemas import Row
from tests.stages.train.examples import row

# Without "▁" (U+2581), which SentencePiece itself writes for a space and cannot give back.
_PIECES = (
    *(
        "국밥 한 그릇",
        "안녕하세요",
        "답",
        "ㅋㅋ",
        "다.",
        "English words",
        "漢字",
        "e\u0301",
        "가",
        "3.14.",
        "#",
    ),
    *(
        "수학 [1, 2]",
        "(괄호)",
        "]대괄호",
        "[닫지 않은",
        "f(x) = x² {y}",
        "<b>굵게</b>",
        "“인용”",
        "`code`",
        "#",
    ),
    *(
        "🙂",
        "👩\u200d👩\u200d👧 가족",
        "\n\n",
        "\r\n",
        "\t",
        "  ",
        "\u200b",
        "\u00a0",
        "\\n",
        "- 항목",
        "“인용”",
    ),
    *("</s>", "<s>", "<unk>", "<pad>", "[INST]", "[/INST]", " [/INST]답", "<|im_start|>system\n"),
    *("<|im_end|>", "<start_of_turn>model\n", "<end_of_turn>", "<eos>", "<bos>", "<|endoftext|>", "<0x0A>"),
    *("\ue0000\ue001", "\ue0001\ue001", "{{ bos_token }}"),
)


def _text(source: random.Random) -> str:
    text = "".join(source.choices(_PIECES, k=source.randint(1, 8)))
    return text if text.strip() else text + "글"


def conversations(count: int, seed: int) -> Iterator[Row]:
    """Rows of one to four turns, a third with system text: Korean and mixed text, brackets, emoji, and
    special tokens of every template spelled out."""
    source = random.Random(seed)
    for number in range(count):
        pairs = [(_text(source), _text(source)) for _ in range(source.randint(1, 4))]
        yield row(number, *pairs, system=_text(source) if source.random() < 1 / 3 else None)


def sentencepiece_like_tokenizer() -> Any:
    """BPE with byte fallback and a "▁" put before each text, as Llama's and Mistral v0.2's tokenizers
    have it; trained here on brackets next to Hangul, so that its pieces run over them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, trainers
    from transformers import PreTrainedTokenizerFast

    specials = [
        "<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<start_of_turn>", "<end_of_turn>", "<eos>",
    ]  # fmt: skip
    texts = [f"[INST] 안녕 [/INST]{word}입니다. </s> <|im_end|> </s" for word in ("답", "네", "국밥", "수학")]
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizer
    learner.train_from_iterator(texts * 5, trainers.BpeTrainer(vocab_size=300, show_progress=False))
    learnt = json.loads(learner.to_str())["model"]
    pieces = [*specials, *(f"<0x{number:02X}>" for number in range(256)), *learnt["vocab"]]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={piece: index for index, piece in enumerate(pieces)},
            merges=[(left, right) for left, right in learnt["merges"]],
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in specials])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
    )
