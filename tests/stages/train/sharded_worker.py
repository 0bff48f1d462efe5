"""`gukbap.workers.train_worker` on CPUs with FSDP2, which accelerate only takes to be there with GPUs.

accelerate's state looks at the kind of device before it looks at the plugin that it was given. Told
otherwise here, everything after it (its sharding, transformers' Trainer, torch's checkpoints) is what
runs on GPUs, over gloo.
"""

from __future__ import annotations

import sys
from typing import Any

from accelerate import state
from accelerate.utils import DistributedType


def believe_in_fsdp() -> None:
    """Let a world of several CPUs with an FSDP plugin be one of FSDP."""
    usual = state.AcceleratorState.__init__

    def told(self: Any, *args: Any, fsdp_plugin: Any = None, **kwargs: Any) -> None:
        usual(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None and self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.FSDP
            self.fsdp_plugin = fsdp_plugin

    state.AcceleratorState.__init__ = told


if __name__ == "__main__":
    from gukbap.workers.train_worker import main

    believe_in_fsdp()
    sys.exit(main(sys.argv[1]))
