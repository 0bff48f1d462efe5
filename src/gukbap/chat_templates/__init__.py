"""Pinned chat templates, and the one way from messages to token ids in training and in serving.

Messages become ids without a detour over rendered text: the template is rendered with place holders,
cut at its own special tokens, and only then filled in. So there is exactly one BOS, a special token
that somebody writes into a message stays ordinary text, and a prompt has the same ids whether it is
trained or served.
"""

from gukbap.chat_templates.encoding import (
    Segment,
    TokenizerLike,
    encode_prompt,
    encode_segments,
    end_token_id,
)
from gukbap.chat_templates.templates import ChatTemplate, fold_system, load_template, render

__all__ = [
    "ChatTemplate",
    "Segment",
    "TokenizerLike",
    "encode_prompt",
    "encode_segments",
    "end_token_id",
    "fold_system",
    "load_template",
    "render",
]
