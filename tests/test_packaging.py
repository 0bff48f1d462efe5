"""The lock and the wheel: what pyproject.toml asks for is pinned, and what the package needs is packed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools import lock

ROOT = Path(__file__).resolve().parent.parent
KERNELS = "gukbap/stages/dedup/libkernels.so"


def constraints() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {name: Version(version) for name, version in pins}


def requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [text for name in lock.EXTRAS for text in project["optional-dependencies"][name]]
    found = [Requirement(text) for text in [*project["dependencies"], *extras]]
    # An extra may stand for another of this project's own.
    return [requirement for requirement in found if requirement.name != project["name"]]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_every_dependency_is_pinned_to_a_version_that_satisfies_it(requirement: Requirement) -> None:
    pinned = constraints()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pinned), f"{requirement} but constraints.txt has {pinned}"


def test_all_extras_but_those_with_environments_of_their_own_are_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {*lock.EXTRAS, "vllm", "bench"} == set(project["optional-dependencies"])


def test_the_lock_is_sorted_and_fits_every_machine() -> None:
    names = list(constraints())
    assert len(names) > 50
    assert names == sorted(names)
    assert [name for name in names if lock.CUDA_ONLY.fullmatch(name)] == []
    assert all(version.local is None for version in constraints().values())
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|(^|\s)/", text), "a host or a path stands in the lock"


def test_pins_leave_out_the_project_builds_and_cuda() -> None:
    names = ("gukbap", "torch", "nvidia-cudnn-cu13", "cuda-toolkit", "triton", "Foo_Bar.baz")
    report = {
        "install": [
            {"is_direct": name == "gukbap", "metadata": {"name": name, "version": "2.13.0+cu130"}}
            for name in names
        ]
    }
    assert lock.pins(report) == {"foo-bar-baz": "2.13.0", "torch": "2.13.0"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built as pip builds it."""
    return _wheel(tmp_path_factory.mktemp("wheel"), os.environ.get("CC", "cc"))


def _wheel(folder: Path, compiler: str) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(folder)]
    environment = {**os.environ, "CC": compiler}
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("gukbap-*.whl"))


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    expected = {
        str(path.relative_to(base))
        for base, package in ((ROOT / "src", "gukbap"), (ROOT, "components"), (ROOT, "pipelines"))
        for path in (base / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".so"
    }
    assert expected - packed == set()
    assert {"gukbap/data/seeds.jsonl", "components/images.py", "pipelines/recipes/smoke.yaml"} <= packed
    assert not {name.split("/")[0] for name in packed} & {"tests", "bench", "tools", "docker", "helm"}


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_compiler_s_wheel_has_kernels_for_any_python_of_its_platform(wheel: Path) -> None:
    assert re.fullmatch(r"gukbap-[\d.]+-py3-none-(?!any)\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        assert KERNELS in archive.namelist()


def test_without_a_compiler_the_wheel_is_of_python_alone(tmp_path: Path) -> None:
    wheel = _wheel(tmp_path, "no-such-compiler")
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert KERNELS not in archive.namelist()


def test_an_installed_wheel_finds_its_recipes(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        "import gukbap; from gukbap.recipes import builtin_recipes, load_recipe; "
        "print(gukbap.__file__, load_recipe('smoke').name, *builtin_recipes().values(), sep='\\n')"
    )
    # -I would drop PYTHONPATH; -S keeps the editable checkout's path hooks out, so site-packages are named.
    packages = [path for path in sys.path if path.endswith("site-packages")]
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={"PYTHONPATH": ":".join([str(tmp_path), *packages])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    origin, name, *recipes = done.stdout.splitlines()
    assert name == "smoke"
    assert recipes
    assert all(Path(path).is_relative_to(tmp_path) for path in (origin, *recipes))
