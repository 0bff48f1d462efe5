"""`gukbap.workers.train_worker` on CPUs with FSDP2, which accelerate only takes to be there with GPUs.

accelerate's state looks at the kind of device before it looks at the plugin that it was given. Told
otherwise here, everything after it (its sharding, transformers' Trainer, torch's checkpoints) is what
runs on GPUs, over gloo.

GUKBAP_TEST_DEED makes a process do something in a callback: `METHOD STEP RANK DEED`; the rank `any` is every
one, and the deed `kill` is SIGKILL for itself, `kill-all` for its launcher, too.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from accelerate import state
from accelerate.utils import DistributedType

DEED = "GUKBAP_TEST_DEED"
LAUNCHER = os.getppid()


def believe_in_fsdp() -> None:
    """Let a world of several CPUs with an FSDP plugin be one of FSDP."""
    usual = state.AcceleratorState.__init__

    def told(self: Any, *args: Any, fsdp_plugin: Any = None, **kwargs: Any) -> None:
        usual(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None and self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.FSDP
            # From where every later look at the state takes it.
            state.PartialState._shared_state["distributed_type"] = DistributedType.FSDP
            if self._mixed_precision != "no":
                fsdp_plugin.set_mixed_precision(self._mixed_precision)
            self.fsdp_plugin = fsdp_plugin

    state.AcceleratorState.__init__ = told


def look_at_gradients() -> None:
    """Fail where a gradient is not a shard between the micro-steps of a step."""
    from torch.distributed.tensor import DTensor

    from gukbap.stages.train.watch import TrainingWatch

    def look(self: Any, args: Any, trainer_state: Any, control: Any, **_: Any) -> None:
        for name, parameter in self.trainer.model_wrapped.named_parameters():
            if parameter.requires_grad and not isinstance(parameter.grad, DTensor):
                raise RuntimeError(f"the gradient of {name} is {type(parameter.grad)} after a micro-step")

    TrainingWatch.on_substep_end = look


def do_as_told(method: str, step: str, rank: str, deed: str) -> None:
    """Put a deed before a callback of the training's watch."""
    from gukbap.stages.train.watch import TrainingWatch

    usual = getattr(TrainingWatch, method)

    def told(self: Any, args: Any, trainer_state: Any, control: Any, **rest: Any) -> Any:
        if trainer_state.global_step == int(step) and rank in ("any", os.environ["RANK"]):
            # Another process may have killed the launcher already, and who is the parent then is no affair
            # of this test.
            if deed == "kill-all" and os.getppid() == LAUNCHER:
                os.kill(LAUNCHER, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        return usual(self, args, trainer_state, control, **rest)

    setattr(TrainingWatch, method, told)


if __name__ == "__main__":
    from gukbap.workers.train_worker import main

    believe_in_fsdp()
    look_at_gradients()
    if told_deed := os.environ.get(DEED):
        do_as_told(*told_deed.split())
    sys.exit(main(sys.argv[1]))
