"""A program that ends with the process that started it, even where that is killed.

    python -m gukbap.adapters.tied_process PARENT PROGRAM ARGUMENT…

PARENT is the starter's process id.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

#: prctl(2): the signal that the kernel sends when the thread that started this process ends; it outlives exec
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, and become the program. Where there is no prctl, only become it."""
    parent, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            raise SystemExit("the process that wanted this program is gone")
    os.execvp(program[0], program)  # noqa: S606 # no shell is wanted


if __name__ == "__main__":
    main()
