"""Whether packed documents stay apart: a probe of two short documents before a packed training.

Attention that leaks between documents raises no error anywhere; it only makes a worse model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback

from gukbap.errors import GukbapError
from gukbap.stages.train.batches import Pack
from gukbap.stages.train.encoding import Example

PackBatcher = Callable[[Sequence[Pack]], dict[str, Tensor]]
#: In nats. The same shapes go through the same kernels: without a leak, another text in front changes
#: nothing, whatever the precision.
TOLERANCE = 1e-4
#: A document alone has another shape than within a pack, and so other roundings in bfloat16.
BFLOAT16_TOLERANCE = 0.1
_LENGTH = 12


class IsolationCheck(TrainerCallback):  # type: ignore[misc]  # transformers is read untyped
    """Refuses to train with packs where the model lets one document see another.

    Args:
        collator: of the training's packs.
        bfloat16: whether the forward pass is autocast to bfloat16.
    """

    def __init__(self, collator: PackBatcher, *, bfloat16: bool) -> None:
        self._collator, self._bfloat16 = collator, bfloat16

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Every process probes its own model, or its part of a sharded one."""
        require_isolation(model, self._collator, args.device, bfloat16=self._bfloat16)


def require_isolation(
    model: Any,
    collator: Callable[[Sequence[Pack]], dict[str, Tensor]],
    device: Any,
    *,
    bfloat16: bool = False,
) -> None:
    """Compare a document's losses alone, after one text and after another.

    Args:
        model: with the forward of `use_answer_loss`.

    Raises:
        GukbapError: they differ.
    """
    first, second = _document(model, 1, trained=False), _document(model, 2, trained=False)
    probed = _document(model, 3, trained=True)
    training = model.training
    model.eval()
    with torch.no_grad():
        alone, packed, other = (
            model(**{key: value.to(device) for key, value in collator([pack]).items()}, token_losses=True)[
                "losses"
            ]
            for pack in ((probed,), (first, probed), (second, probed))
        )
    model.train(training)
    leak = float((packed - other).abs().max())
    shift = float((packed - alone).abs().max())
    # `not … <=`, so that a loss that is no number fails too.
    if not (leak <= TOLERANCE and shift <= (BFLOAT16_TOLERANCE if bfloat16 else TOLERANCE)):
        raise GukbapError(
            f"the model leaks between packed documents (attention {model.config._attn_implementation}): a "
            f"document's losses differ by {leak:.2g} with what stands before it, by {shift:.2g} from alone",
            expected=f"at most {TOLERANCE:g} nats",
            fix="set train.batching=grouped",
        )


def _document(model: Any, number: int, *, trained: bool) -> Example:
    """Ids spread over the vocabulary, each document's own."""
    step = max(1, model.config.vocab_size // (_LENGTH + 5))
    ids = [(number * 31 + place * step) % model.config.vocab_size for place in range(_LENGTH)]
    return Example(ids, [False, *[trained] * (_LENGTH - 1)])
