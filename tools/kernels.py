"""Compiles near-dedup's kernels into the wheel, where there is a C compiler: a hook of hatchling's.

Nothing needs them: without them NumPy does the same, more slowly. So a machine without a compiler gets a
wheel of Python alone, and a line that says so. CC names another compiler than cc.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "gukbap/stages/dedup"
SOURCE, LIBRARY = "kernels.c", "libkernels.so"
FLAGS = ("-O3", "-std=c11", "-fPIC", "-shared")


class CompiledKernels(BuildHookInterface):
    """Puts the library into the wheel; for an editable installation, beside its source."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and tell hatchling of the result."""
        package = Path(self.root) / "src" / PACKAGE
        self._folder = tempfile.TemporaryDirectory()
        made = Path(self._folder.name) / LIBRARY
        if problem := compiled(package / SOURCE, made):
            print(f"near-dedup is not compiled and will be slower: {problem}", file=sys.stderr)
            return
        if version == "editable":
            # Renamed within a file system, so that no process opens half of it.
            new = package / f"{LIBRARY}.{os.getpid()}"
            new.write_bytes(made.read_bytes())
            new.replace(package / LIBRARY)
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        build_data["force_include"][str(made)] = f"{PACKAGE}/{LIBRARY}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Leave nothing behind."""
        self._folder.cleanup()


def compiled(source: Path, library: Path) -> str:
    """Compile a source into a library that knows the source's SHA-256; what went wrong, or nothing."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    compiler = shlex.split(os.environ.get("CC") or "cc")
    command = [*compiler, *FLAGS, f'-DSOURCE="{digest}"', "-o", str(library), str(source)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return f"{shlex.join(command)}: {done.stderr.strip()}" if done.returncode else ""
