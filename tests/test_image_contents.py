"""What is inside the images, and that MLflow's serves; with a real Docker engine."""

from __future__ import annotations

import json
import re
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Any, cast

import pytest

import docker
from gukbap import __version__
from gukbap.config import IMAGE_GROUP, IMAGE_HOME, IMAGE_USER
from tests import docker_images
from tests.servers import free_ports

NAMES = ("cpu", "train", "mlflow")
#: Programs that build others.
TOOLS = re.compile(
    r"(^|/)s?bin/([a-z0-9_]+-)*(gcc|g\+\+|cc|c\+\+|cpp|clang|ld|as|ar|strip|make|cmake|ninja|nvcc|git)(-[0-9]+)?$"
)
#: What installing leaves behind, and what of the project has no use in an image.
LEFT = re.compile(
    r"(^|/)\.cache/pip/|^root/\.cache/|^var/lib/apt/lists/.|^var/cache/apt/archives/.*\.deb$|(^|/)\.git(/|$)"
    r"|^build/|\.whl$|^tmp/.|^opt/.*/site-packages/(.*/)?tests/"
    r"|/components/docs/|site-packages/(bench|tools|helm|docs)/|torch/include/"
)


def reference(name: str) -> str:
    return f"{docker_images.REPOSITORY}/gukbap-{name}:{__version__}"


class _Pieces:
    """A container's exported files as a stream that tarfile can read."""

    def __init__(self, pieces: Any) -> None:
        self._pieces, self._rest = iter(pieces), b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        read, self._rest = self._rest[:size], self._rest[size:]
        return read


@pytest.fixture(scope="module")
def files(engine: Any) -> dict[str, set[str]]:
    """Image → the paths of its files, without the leading slash."""
    found = {}
    for name in NAMES:
        container = engine.containers.create(reference(name))
        try:
            stream = cast(IO[bytes], _Pieces(container.export()))
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                found[name] = {member.name for member in archive if not member.isdir()}
        finally:
            container.remove()
    return found


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_builds_and_no_leftovers_are_in_an_image(
    files: dict[str, set[str]], engine: Any, name: str
) -> None:
    assert len(files[name]) > 5000
    assert sorted(path for path in files[name] if TOOLS.search(path)) == []
    assert sorted(path for path in files[name] if LEFT.search(path)) == []


@pytest.mark.docker
@pytest.mark.slow
def test_the_patterns_find_what_they_look_for(engine: Any) -> None:
    """The image that builds has all of it."""
    listing = engine.containers.run(
        docker_images.BUILD_IMAGE, ["find", "/usr/bin", "-name", "*ld*"], remove=True
    )
    assert any(TOOLS.search(path) for path in listing.decode().split())
    for path in ("usr/bin/x86_64-linux-gnu-gcc-12", "usr/local/bin/cc", "usr/bin/git"):
        assert TOOLS.search(path), path
    for path in (
        "root/.cache/pip/http/1",
        "var/lib/apt/lists/deb_Release",
        "work/.git/HEAD",
        "build/requirements.txt",
        "opt/gukbap/lib/python3.11/site-packages/scipy/stats/tests/test_x.py",
    ):
        assert LEFT.search(path), path


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_package_of_an_image_is_needed_by_what_it_asks_for(engine: Any, name: str) -> None:
    """Nothing lies there but the requirements of docker/requirements.py and what these require in turn."""
    wanted = {"cpu": "gukbap[kfp,tracking,local]", "train": "gukbap[kfp,tracking,local,train]"}
    roots = [wanted[name], "pip"] if name in wanted else ["mlflow", "boto3", "psycopg2-binary"]
    output = engine.containers.run(
        reference(name), ["-c", CLOSURE, *roots], entrypoint=["python"], remove=True, read_only=True
    )
    seen = json.loads(output)
    assert len(seen["installed"]) > 40
    assert sorted(set(seen["installed"]) - set(seen["needed"])) == []


CLOSURE = """
import json, sys
from importlib.metadata import PackageNotFoundError, distribution, distributions
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
needed, queue = set(), [Requirement(root) for root in sys.argv[1:]]
done = set()
while queue:
    requirement = queue.pop()
    name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
    if (name, extras) in done:
        continue
    done.add((name, extras))
    try:
        package = distribution(name)
    except PackageNotFoundError:
        continue
    needed.add(name)
    for line in package.requires or []:
        inner = Requirement(line)
        if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            queue.append(inner)
installed = sorted({canonicalize_name(package.name) for package in distributions()})
print(json.dumps({"needed": sorted(needed), "installed": installed}))
"""


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_image_tells_what_it_is_and_whom_it_runs_as(engine: Any, name: str) -> None:
    config = engine.images.get(reference(name)).attrs["Config"]
    assert config["User"] == f"{IMAGE_USER}:{IMAGE_GROUP}"
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert labels["title"] == f"gukbap-{name}"
    assert labels["version"] == __version__
    assert re.fullmatch(r"g[0-9a-f]{7,}(-dirty)?|unknown", labels["revision"])
    assert labels["base.name"] == docker_images.BASE_IMAGE
    if name != "mlflow":
        environment = dict(pair.split("=", 1) for pair in config["Env"])
        assert environment["HOME"] == IMAGE_HOME
        assert environment["HF_HOME"].startswith(IMAGE_HOME)


@pytest.mark.docker
@pytest.mark.slow
def test_the_train_image_has_what_a_whole_run_needs(engine: Any) -> None:
    output = engine.containers.run(reference("train"), ["doctor", "smoke", "--json"], remove=True)
    findings = {finding["name"]: finding for finding in json.loads(output)}
    assert {"torch", "accelerate", "kfp", "mlflow", "minio", "matplotlib"} <= set(findings)
    assert [finding for finding in findings.values() if finding["status"] == "problem"] == []


@pytest.mark.docker
@pytest.mark.slow
def test_a_model_that_the_cpu_image_cannot_fetch_is_one_error(engine: Any) -> None:
    """Without a network, and without the hub's client, which this image does without."""
    with pytest.raises(docker.errors.ContainerError) as failure:
        engine.containers.run(
            reference("cpu"), ["models", "fetch", "local"], remove=True, network_mode="none", stderr=True
        )
    said = failure.value.stderr.decode()
    assert "huggingface-hub is not installed" in said
    assert "pip cannot download" in said
    assert "unexpected" not in said
    assert "Traceback" not in said


@pytest.mark.docker
@pytest.mark.slow
def test_the_mlflow_image_serves_a_stranger_and_tells_its_health(engine: Any, tmp_path: Path) -> None:
    """Read-only and without rights; healthy only under a host name that its callers may use."""
    (port,) = free_ports(1)
    container = engine.containers.run(
        reference("mlflow"),
        ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
        detach=True,
        user="1234567890:0",
        read_only=True,
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        tmpfs={"/tmp": "", "/home/mlflow/data": "mode=1777"},
        network_mode="host",
        environment={
            "MLFLOW_HEALTH_URL": f"http://127.0.0.1:{port}",
            "MLFLOW_SERVER_ALLOWED_HOSTS": "127.0.0.1:*,mlflow:*",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        },
    )
    try:
        deadline = time.monotonic() + 120
        while container.attrs["State"].get("Health", {}).get("Status") != "healthy":
            assert container.status in ("created", "running"), container.logs().decode()[-3000:]
            assert time.monotonic() < deadline, container.logs().decode()[-3000:]
            time.sleep(1)
            container.reload()
        asked = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search?max_results=1"
        request = urllib.request.Request(asked, headers={"Host": "mlflow:5000"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["experiments"][0]["name"] == "Default"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(urllib.request.Request(asked, headers={"Host": "other:5000"}), timeout=10)
        check = ["python", "/opt/mlflow/health.py"]
        assert container.exec_run(check).exit_code == 0
        refused = container.exec_run(check, environment={"MLFLOW_HEALTH_URL": f"http://localhost:{port}"})
        assert refused.exit_code == 1
        assert b"403" in refused.output
    finally:
        container.remove(force=True)
