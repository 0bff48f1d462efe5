"""The command line as a user's shell calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def gukbap(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `gukbap` in a folder and wait for it."""
    return subprocess.run(
        [sys.executable, "-m", "gukbap", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
