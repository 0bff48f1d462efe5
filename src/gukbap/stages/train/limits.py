"""Figures that decide on the memory of a training, readable without torch."""

from __future__ import annotations

#: Logits held at once, in numbers: 256 MiB of float32. With Gemma's 262k vocabulary 256 positions.
#: torch.nn.functional.linear_cross_entropy (torch 2.13, default options) took 42 s where plain logits
#: took 3.5 s: 240 positions, 262k vocabulary, fixed head, two shared CPU cores.
LOGITS_AT_ONCE = 1 << 26
#: Whether each micro-batch's gradients are reduced and sharded at once (accelerate's sync_each_batch).
#: Without it FSDP2 keeps whole gradients on every GPU until the last micro-batch of a step.
SHARDED_ACCUMULATION = True
#: Dev prompts that are answered at once: 2 GB of keys and values at Mistral-7B's 131 kB a token in bfloat16
#: and 2,048 tokens.
DEV_BATCH = 8
