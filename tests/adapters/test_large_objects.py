"""Large objects in a real S3 server: flat memory, kills, spoiled bytes, a server that dies under load.

With MINIO_ENDPOINT, MINIO_ACCESS_KEY and MINIO_SECRET_KEY in the environment the tests that need no server
of their own run against that server, too.
"""

from __future__ import annotations

import html
import json
import os
import random
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from gukbap.adapters import multipart, store_retries
from gukbap.adapters.minio_store import MinioStore
from gukbap.config import StoreConfig
from gukbap.errors import InputError, StoreError
from gukbap.files import sha256_file
from tests.servers import S3Server, mortal_s3, seaweed_s3
from tests.tcp_proxy import flipping, proxied

pytestmark = pytest.mark.s3
MIB = 1 << 20
#: the environment's own server, read before any test changes the environment
OWN = [os.environ.get(name, "") for name in ("MINIO_ENDPOINT", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY")]
own = pytest.mark.skipif(not all(OWN), reason="MINIO_ENDPOINT and its keys name no server")

#: what a killed process runs: put or get a file, then say how much memory it took at most
SCRIPT = """
import sys
from pathlib import Path
from gukbap.adapters.minio_store import MinioStore
from gukbap.config import StoreConfig

deed, url, endpoint, path = sys.argv[1:]
store = MinioStore.from_url(StoreConfig(url=url, endpoint_url=endpoint))
print("ready", flush=True)
if deed == "put":
    store.put_file(Path(path), "large.bin", lambda count: print(count, flush=True))
else:
    store.get_file("large.bin", Path(path))
# Not ru_maxrss, which begins with what the parent had when it started this process.
status = Path("/proc/self/status").read_text().splitlines()
print("peak", next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024)
"""


@pytest.fixture(scope="module", params=["seaweed", pytest.param("own", marks=own)])
def server(request: pytest.FixtureRequest) -> Iterator[S3Server]:
    """SeaweedFS, and the server of the environment."""
    if request.param == "own":
        yield S3Server(OWN[0] if "://" in OWN[0] else f"http://{OWN[0]}", OWN[1], OWN[2], "", "")
        return
    with seaweed_s3() as running:
        yield running


@pytest.fixture(autouse=True)
def _surroundings(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIO_ACCESS_KEY", server.access_key)
    monkeypatch.setenv("MINIO_SECRET_KEY", server.secret_key)
    monkeypatch.setenv("GUKBAP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store_retries, "LONGEST_PAUSE_SECONDS", 1.0)


@pytest.fixture
def url() -> str:
    return f"s3://artifacts/{uuid.uuid4()}"


def _store(url: str, endpoint: str) -> MinioStore:
    return MinioStore.from_url(StoreConfig(url=url, endpoint_url=endpoint))


def _random_file(path: Path, size: int, seed: int = 1) -> Path:
    draw = random.Random(seed)
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            file.write(draw.randbytes(min(MIB, size - start)))
    return path


def _started(deed: str, url: str, endpoint: str, path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, deed, url, endpoint, str(path)], stdout=subprocess.PIPE, text=True
    )


def _peak(process: subprocess.Popen[str]) -> int:
    """The process's memory at its end, at most, in MiB."""
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return int(out.split()[-1])


@pytest.mark.slow
def test_a_gigabyte_goes_up_and_comes_back_in_flat_memory(server: S3Server, url: str, tmp_path: Path) -> None:
    source = _random_file(tmp_path / "large.bin", 1024 * MIB)
    assert _peak(_started("put", url, server.endpoint, source)) < 200
    assert _peak(_started("get", url, server.endpoint, tmp_path / "back.bin")) < 200
    assert sha256_file(tmp_path / "back.bin") == sha256_file(source)
    _store(url, server.endpoint).delete("large.bin")


@pytest.mark.slow
def test_a_killed_upload_goes_on_and_sends_no_part_twice(server: S3Server, url: str, tmp_path: Path) -> None:
    size, kills = 320 * MIB, (3, 7, 12)
    source = _random_file(tmp_path / "large.bin", size)
    with proxied(server.endpoint) as proxy:
        for parts in kills:
            process = _started("put", url, proxy.endpoint, source)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for _ in range(parts):
                process.stdout.readline()
            process.kill()
            process.wait()
            assert not _store(url, server.endpoint).exists("large.bin")
        before = proxy.sent
        process = _started("put", url, proxy.endpoint, source)
        process.communicate(timeout=120)
        assert process.returncode == 0
        # What the last killed process had told of was there; what it had under way may have been lost.
        assert proxy.sent - before < size - kills[-1] * multipart.PART_BYTES + MIB
        lost = len(kills) * multipart.AT_ONCE * multipart.PART_BYTES
        assert size < proxy.sent < size + lost + MIB
    store = _store(url, server.endpoint)
    assert store.sha256("large.bin") == sha256_file(source) == store.actual_sha256("large.bin")
    assert list((tmp_path / "cache/uploads").iterdir()) == []


def test_another_file_does_not_go_on_with_the_first_one_s_parts(
    server: S3Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _random_file(tmp_path / "a", 80 * MIB, seed=1)
    second = _random_file(tmp_path / "b", 80 * MIB, seed=2)
    store = _store(url, server.endpoint)

    def stop(sent: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put_file(first, "f", stop)
    assert len(list((tmp_path / "cache/uploads").iterdir())) == 1
    store.put_file(second, "f")
    assert store.actual_sha256("f") == store.sha256("f") == sha256_file(second)


@pytest.mark.slow
def test_a_killed_download_goes_on(server: S3Server, url: str, tmp_path: Path) -> None:
    source = _random_file(tmp_path / "large.bin", 200 * MIB)
    store, target = _store(url, server.endpoint), tmp_path / "back.bin"
    store.put_file(source, "large.bin")
    with proxied(server.endpoint) as proxy:
        process = _started("get", url, proxy.endpoint, target)
        while proxy.received < 60 * MIB:
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
        process.wait()
        (partial,) = tmp_path.glob(".back.bin.*.tmp")
        have, before = partial.stat().st_size, proxy.received
        assert have > 20 * MIB
        assert not target.exists()
        assert _peak(_started("get", url, proxy.endpoint, target)) < 200
        assert proxy.received - before < 200 * MIB - have + MIB
    assert sha256_file(target) == sha256_file(source)
    assert list(tmp_path.glob(".back.bin.*")) == []


def test_a_connection_that_breaks_is_gone_on_with(server: S3Server, url: str, tmp_path: Path) -> None:
    source = _random_file(tmp_path / "f", 90 * MIB)
    with proxied(server.endpoint) as proxy:
        store = _store(url, proxy.endpoint)
        done = threading.Event()

        def cutting() -> None:
            while not done.wait(0.15):
                proxy.cut()
                if done.wait(0.6):
                    return

        thread = threading.Thread(target=cutting)
        thread.start()
        try:
            store.put_file(source, "f")
            store.get_file("f", tmp_path / "back")
        finally:
            done.set()
            thread.join()
    assert sha256_file(tmp_path / "back") == sha256_file(source)


@pytest.mark.parametrize("size", [3 * MIB, 80 * MIB])
def test_a_bit_that_flips_on_its_way_up_is_noticed_by_the_server(
    server: S3Server, url: str, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _random_file(tmp_path / "f", size)
    marker = source.read_bytes()[1000:1016]
    monkeypatch.setattr(store_retries, "TRIES", 3)
    with proxied(server.endpoint) as proxy:
        store = _store(url, proxy.endpoint)
        proxy.change_sent = flipping(marker, times=9)
        with pytest.raises(StoreError, match="other bytes arrive") as caught:
            store.put_file(source, "f")
        assert url in str(caught.value)
        assert not store.exists("f")
        proxy.change_sent = flipping(marker, times=1)
        store.put_file(source, "f")
    assert _store(url, server.endpoint).actual_sha256("f") == sha256_file(source)


def test_a_bit_that_flips_on_its_way_down_never_becomes_the_file(
    server: S3Server, url: str, tmp_path: Path
) -> None:
    source = _random_file(tmp_path / "f", 3 * MIB)
    target = tmp_path / "back"
    target.write_text("the earlier file")
    with proxied(server.endpoint) as proxy:
        store = _store(url, proxy.endpoint)
        store.put_file(source, "f")
        proxy.change_received = flipping(source.read_bytes()[5000:5016], times=1)
        with pytest.raises(StoreError, match="is damaged"):
            store.get_file("f", target)
        assert target.read_text() == "the earlier file"
        store.get_file("f", target)
    assert sha256_file(target) == sha256_file(source)


def test_a_link_gives_the_object_until_it_expires(server: S3Server, url: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("국밥")
    store = _store(url, server.endpoint)
    store.put_file(tmp_path / "f", "보고서.html")
    link = store.link("보고서.html", 1)
    assert urllib.request.urlopen(link, timeout=10).read().decode() == "국밥"
    assert server.secret_key not in link
    short = store.link("보고서.html", 1 / 3600)
    time.sleep(2.5)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(short, timeout=10)
    assert caught.value.code == 403
    with pytest.raises(StoreError, match="there is no object"):
        store.link("nothing", 1)


def test_uploads_that_never_ended_are_given_up(server: S3Server, url: str, tmp_path: Path) -> None:
    from datetime import UTC, datetime, timedelta

    store = _store(url, server.endpoint)

    def stop(sent: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put_file(_random_file(tmp_path / "f", 70 * MIB), "f", stop)
    now = datetime.now(UTC)
    assert store.end_unfinished(now - timedelta(days=1)) == 0
    assert store.end_unfinished(now + timedelta(minutes=5)) == 1
    assert store.end_unfinished(now + timedelta(minutes=5)) == 0
    store.put_file(tmp_path / "f", "f")
    assert store.actual_sha256("f") == sha256_file(tmp_path / "f")


@pytest.mark.slow
def test_a_server_that_is_killed_under_load_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gukbap.adapters.stored_folders import upload_folder, verify_folder
    from tests.adapters.recording import RecordingProgress

    folder = tmp_path / "run"
    folder.mkdir()
    for number in range(30):
        _random_file(folder / f"{number:02}.bin", 2 * MIB, seed=number)
    _random_file(folder / "large.bin", 100 * MIB)
    with mortal_s3() as (server, mortal):
        monkeypatch.setenv("MINIO_ACCESS_KEY", server.access_key)
        monkeypatch.setenv("MINIO_SECRET_KEY", server.secret_key)
        monkeypatch.setattr(store_retries, "LONGEST_PAUSE_SECONDS", 8.0)
        store = _store("s3://artifacts/load", server.endpoint)
        failures: list[BaseException] = []

        def upload() -> None:
            try:
                upload_folder(store, folder, "r1", RecordingProgress())
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=upload)
        thread.start()
        time.sleep(0.4)
        mortal.kill()
        time.sleep(1)
        mortal.start()
        thread.join(240)
        assert failures == []
        assert verify_folder(store, "r1", tmp_path, RecordingProgress()) == []


def test_the_list_tells_which_runs_are_whole_or_kept(server: S3Server, url: str, tmp_path: Path) -> None:
    from tests.command import gukbap

    store = _store(url, server.endpoint)
    (tmp_path / "f").write_text("x")
    for run in ("old", "kept", "new", "half"):
        store.put_file(tmp_path / "f", f"{run}/f")
        if run != "half":
            store.put_file(tmp_path / "f", f"{run}/manifest.json")
        time.sleep(1.1)  # S3 tells whole seconds
    store.put_file(tmp_path / "f", "kept/KEEP")
    environment = {"GUKBAP_STORE_URL": url, "MINIO_ENDPOINT": server.endpoint}

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        return gukbap("store", *arguments, cwd=tmp_path, **environment)

    listed = {run["run"]: run for run in json.loads(call("list", "--json").stdout)}
    assert {name: (run["whole"], run["kept"]) for name, run in listed.items()} == {
        "old": (True, False),
        "kept": (True, True),
        "new": (True, False),
        "half": (False, False),
    }
    assert "half" in call("get", "half", "back").stderr


def test_a_report_with_links_opens_the_run_s_files_without_keys(
    server: S3Server, url: str, tmp_path: Path
) -> None:
    from tests.command import gukbap

    store = _store(url, server.endpoint)
    (tmp_path / "report.html").write_text("<main>\n<h1>국밥</h1>\n</main>\n</body>\n</html>\n")
    (tmp_path / "scores.json").write_text('{"overall": 6.06}')
    for name in ("report.html", "scores.json"):
        store.put_file(tmp_path / name, f"r1/{name}")
    environment = {"GUKBAP_STORE_URL": url, "MINIO_ENDPOINT": server.endpoint}
    call = ("store", "links", "r1", "--hours", "1", "--report", "shared.html")
    done = gukbap(*call, cwd=tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    shared = tmp_path / "shared.html"
    assert shared.stat().st_mode & 0o077 == 0
    page = shared.read_text(encoding="utf-8")
    assert "<h1>국밥</h1>" in page
    assert server.secret_key not in page
    found = dict(re.findall(r'<a href="([^"]+)">([^<]+)</a>', page))
    assert sorted(found.values()) == ["r1/report.html", "r1/scores.json"]
    for link, name in found.items():
        with urllib.request.urlopen(html.unescape(link), timeout=10) as reply:
            assert reply.read() == (tmp_path / name.removeprefix("r1/")).read_bytes()
    assert "holds no report" in gukbap("store", "links", "r2", cwd=tmp_path, **environment).stderr


@pytest.mark.slow
def test_a_bit_that_flips_on_the_server_s_disk_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = _random_file(tmp_path / "f", 3 * MIB)
    marker = source.read_bytes()[2000:2032]
    monkeypatch.setattr(store_retries, "TRIES", 2)
    with mortal_s3() as (server, mortal):
        monkeypatch.setenv("MINIO_ACCESS_KEY", server.access_key)
        monkeypatch.setenv("MINIO_SECRET_KEY", server.secret_key)
        store = _store("s3://artifacts/rest", server.endpoint)
        store.put_file(source, "f")
        mortal.kill()
        (volume,) = [path for path in mortal.folder.rglob("*.dat") if marker in path.read_bytes()]
        content = bytearray(volume.read_bytes())
        content[content.find(marker)] ^= 1
        volume.write_bytes(content)
        mortal.start()
        with pytest.raises(StoreError, match="rest/f"):
            store.get_file("f", tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("size", [3 * MIB, 40 * MIB])
def test_a_file_that_changes_while_it_goes_up_replaces_nothing(
    server: S3Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    source = _random_file(tmp_path / "f", size, seed=1)
    store = _store(url, server.endpoint)
    store.put_file(source, "f")
    before = store.actual_sha256("f")
    _random_file(source, size, seed=2)
    part, read = multipart.Source.part, Path.read_bytes

    def touched(path: Path) -> None:
        with path.open("r+b") as file:
            file.write(b"other")

    def changing_part(self: multipart.Source, number: int) -> bytes:
        touched(self.path)
        return part(self, number)

    def changing_read(self: Path) -> bytes:
        if self == source:
            touched(self)
        return read(self)

    with monkeypatch.context() as patched:
        patched.setattr(multipart.Source, "part", changing_part)
        patched.setattr(Path, "read_bytes", changing_read)
        with pytest.raises(InputError, match="was changed while it was uploaded"):
            store.put_file(source, "f")
    assert store.actual_sha256("f") == before


def test_a_reply_to_the_last_call_that_is_lost_is_no_failure(
    server: S3Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, store = _random_file(tmp_path / "f", 40 * MIB), _store(url, server.endpoint)
    complete, calls = store._client._complete_multipart_upload, []

    def losing(*given: object) -> object:
        calls.append(given)
        found = complete(*given)
        if len(calls) == 1:
            raise ConnectionError("the reply is lost, after the server has done it")
        return found

    monkeypatch.setattr(store._client, "_complete_multipart_upload", losing)
    store.put_file(source, "f")
    assert len(calls) == 2
    assert store.actual_sha256("f") == store.sha256("f") == sha256_file(source)


def test_one_broken_connection_is_no_failure_of_any_call(server: S3Server, url: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("국밥")
    with proxied(server.endpoint) as proxy:
        store = _store(url, proxy.endpoint)
        store.put_file(tmp_path / "f", "f")
        for call in (
            lambda: store.sha256("f"),
            lambda: store.exists("f"),
            lambda: store.holds("f"),
            lambda: store.list(""),
            lambda: list(store.entries("")),
            lambda: store.get_file("f", tmp_path / "back"),
            lambda: store.delete("f"),
        ):
            left = [1]

            def breaking(piece: bytes, left: list[int] = left) -> bytes:
                if left[0]:
                    left[0] = 0
                    proxy.cut()
                return piece

            proxy.change_sent = breaking
            call()
            assert left == [0]
