"""Make constraints.txt: the exact versions that the project's extras resolve to together.

    python tools/lock.py [--keep]

With --keep the versions of the file stay, and only what is missing is added. pip resolves every extra but
`vllm` (which lives in its own image) and `bench` (the peers of benchmarks) as for an empty environment.
torch is held at the installed version, without the local part that names its build (`+cpu`, `+cu130`), and
packages that only carry CUDA are left out: which build of torch and which CUDA packages are right depends
on the machine, the rest does not.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("train", "kfp", "tracking", "server", "local", "up", "dev")
CUDA_ONLY = re.compile(r"(nvidia|cuda)-.*|(pytorch-)?triton")


def normalised(name: str) -> str:
    """A distribution's name in the one form of PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def public(version: str) -> str:
    """A version without its local part: 2.13.0+cpu is 2.13.0."""
    return version.partition("+")[0]


def resolve(held: Mapping[str, str]) -> dict[str, Any]:
    """pip's installation report for the project with its extras; nothing is installed.

    Args:
        held: exact versions by name.

    Raises:
        SystemExit: pip finds no set of versions; its messages are shown.
    """
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "held.txt"
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in held.items()))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--report", "-", "--constraint", str(constraints), f".[{','.join(EXTRAS)}]"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"pip cannot resolve the extras {', '.join(EXTRAS)}:\n{done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def pins(report: Mapping[str, Any]) -> dict[str, str]:
    """Versions by name out of an installation report, the project and CUDA-only packages left out."""
    packages = [entry["metadata"] for entry in report["install"] if not entry["is_direct"]]
    versions = {normalised(package["name"]): public(package["version"]) for package in packages}
    return {name: versions[name] for name in sorted(versions) if not CUDA_ONLY.fullmatch(name)}


def header(report: Mapping[str, Any]) -> str:
    """The first lines of the file: what it is and how it was made."""
    return (
        f"# Exact versions for gukbap[{','.join(EXTRAS)}]; use with `pip install -c constraints.txt`.\n"
        f"# Made by `python tools/lock.py` with Python {report['environment']['python_version']} and "
        f"pip {report['pip_version']} on {report['environment']['platform_system']}.\n"
        "# torch stands without its build; CUDA packages are left to torch.\n"
    )


def kept(target: Path) -> dict[str, str]:
    """The versions by name that the file holds."""
    lines = target.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def main() -> None:
    """Resolve and write constraints.txt."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep", action="store_true", help="add to the file and change no version in it")
    target = ROOT / "constraints.txt"
    held = kept(target) if parser.parse_args().keep else {}
    with suppress(metadata.PackageNotFoundError):
        held.setdefault("torch", public(metadata.version("torch")))
    report = resolve(held)
    lines = [f"{name}=={version}\n" for name, version in pins(report).items()]
    target.with_suffix(".tmp").write_text(header(report) + "".join(lines), encoding="utf-8")
    target.with_suffix(".tmp").replace(target)
    print(f"{target.name}: {len(lines)} packages", file=sys.stderr)


if __name__ == "__main__":
    main()
