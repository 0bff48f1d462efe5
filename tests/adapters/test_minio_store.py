"""The S3 store against a real SeaweedFS server: the contract of all stores, keys, refusals."""

from __future__ import annotations

import datetime
import logging
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from minio import Minio

from gukbap.adapters.minio_store import MinioStore
from gukbap.adapters.stores import Store, open_store
from gukbap.config import StoreConfig
from gukbap.errors import ConfigError, StoreError
from tests.adapters.store_contract import StoreContract
from tests.servers import S3Server, free_ports, seaweed_s3

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with seaweed_s3() as running:
        yield running


@pytest.fixture
def keys(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIO_ACCESS_KEY", server.access_key)
    monkeypatch.setenv("MINIO_SECRET_KEY", server.secret_key)


def _config(server: S3Server, bucket: str = "artifacts", prefix: str = "") -> StoreConfig:
    return StoreConfig(url=f"s3://{bucket}/{prefix}", endpoint_url=server.endpoint)


@pytest.mark.usefixtures("keys")
class TestMinioStore(StoreContract):
    @pytest.fixture
    def store(self, server: S3Server, keys: None) -> Store:
        opened = open_store(_config(server, prefix=f"{uuid.uuid4()}/inner"))
        assert isinstance(opened, MinioStore)
        return opened


@pytest.mark.usefixtures("keys")
def test_a_missing_bucket_is_created_and_a_second_opening_finds_it(server: S3Server, tmp_path: Path) -> None:
    bucket = f"new-{uuid.uuid4()}"
    (tmp_path / "f").write_text("x")
    for _ in range(2):
        uri = MinioStore.from_url(_config(server, bucket)).put_file(tmp_path / "f", "a/f")
        assert uri == f"s3://{bucket}/a/f"


@pytest.mark.usefixtures("keys")
def test_the_endpoint_may_come_from_the_environment(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MINIO_ENDPOINT", server.endpoint.removeprefix("http://"))
    store = MinioStore.from_url(StoreConfig(url="s3://artifacts/env"))
    (tmp_path / "f").write_text("x")
    store.put_file(tmp_path / "f", "f")
    assert store.list("") == ["f"]


@pytest.mark.usefixtures("keys")
def test_a_large_file_goes_up_in_parts(server: S3Server, tmp_path: Path) -> None:
    """Over the client's least part size of 5 MiB a file is sent in parts; its metadata must survive."""
    source = tmp_path / "large"
    source.write_bytes(b"0123456789abcdef" * (11 << 16))
    store = MinioStore.from_url(_config(server, prefix="large"))
    store.put_file(source, "f")
    store.get_file("f", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()
    assert store.sha256("f") is not None


@pytest.mark.usefixtures("keys")
def test_a_damaged_object_is_refused(server: S3Server, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("changed by someone")
    client = Minio(
        server.endpoint.removeprefix("http://"), server.access_key, server.secret_key, secure=False
    )
    store = MinioStore.from_url(_config(server, prefix="damaged"))
    client.fput_object("artifacts", "damaged/f", str(tmp_path / "f"), metadata={"sha256": "0" * 64})
    with pytest.raises(StoreError, match="damaged"):
        store.get_file("f", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("wrong", ["MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"])
@pytest.mark.usefixtures("keys")
def test_wrong_keys_name_the_variables_and_show_no_key(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    monkeypatch.setenv(wrong, "a-very-wrong-key-value")
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreError) as caught:
        open_store(_config(server))
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "MINIO_ACCESS_KEY and MINIO_SECRET_KEY" in shown
    for secret in ("a-very-wrong-key-value", server.access_key, server.secret_key):
        assert secret not in shown


def test_keys_that_may_only_read_cannot_store(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OTHER_ID", server.reader_access_key)
    monkeypatch.setenv("OTHER_SECRET", server.reader_secret_key)
    (tmp_path / "f").write_text("x")
    config = _config(server, bucket="readiness").model_copy(
        update={"access_key_env": "OTHER_ID", "secret_key_env": "OTHER_SECRET"}
    )
    store = MinioStore.from_url(config)
    with pytest.raises(StoreError, match="write rights on readiness") as caught:
        store.put_file(tmp_path / "f", "f")
    assert "OTHER_ID and OTHER_SECRET" in str(caught.value)
    config = config.model_copy(update={"url": "s3://not-there/x"})
    with pytest.raises(StoreError, match="bucket not-there"):
        MinioStore.from_url(config)


def test_no_keys_name_the_variables(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIO_ACCESS_KEY", raising=False)
    monkeypatch.setenv("MINIO_SECRET_KEY", "")
    with pytest.raises(StoreError, match="MINIO_ACCESS_KEY and MINIO_SECRET_KEY not set"):
        open_store(_config(server))


@pytest.mark.usefixtures("keys")
def test_a_clock_that_is_wrong_is_said_to_be(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    late = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=2)
    monkeypatch.setattr("minio.time.utcnow", lambda: late)
    with pytest.raises(StoreError, match="clocks"):
        MinioStore.from_url(_config(server))


@pytest.mark.usefixtures("keys")
def test_a_server_that_is_not_there_is_named() -> None:
    (port,) = free_ports(1)
    with pytest.raises(StoreError, match=f"http://127.0.0.1:{port} does not answer"):
        MinioStore.from_url(StoreConfig(url="s3://b-1/x", endpoint_url=f"http://127.0.0.1:{port}"))


@pytest.mark.usefixtures("keys")
def test_a_bucket_that_vanishes_is_named(server: S3Server, tmp_path: Path) -> None:
    bucket = f"gone-{uuid.uuid4()}"
    store = MinioStore.from_url(_config(server, bucket))
    Minio(
        server.endpoint.removeprefix("http://"), server.access_key, server.secret_key, secure=False
    ).remove_bucket(bucket)
    with pytest.raises(StoreError, match=f"no bucket {bucket}"):
        store.list("")


@pytest.mark.parametrize(
    "endpoint", ["http://user:hunter2hunter2@host:9000", "http://host:9000/path", "http://host?x=1"]
)
@pytest.mark.usefixtures("keys")
def test_an_endpoint_with_more_than_a_host_is_refused_unshown(endpoint: str) -> None:
    with pytest.raises(ConfigError, match="MINIO_SECRET_KEY") as caught:
        MinioStore.from_url(StoreConfig(url="s3://bucket/x", endpoint_url=endpoint))
    assert "hunter2" not in str(caught.value)


def test_no_endpoint_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIO_ENDPOINT", raising=False)
    with pytest.raises(ConfigError, match="MINIO_ENDPOINT"):
        open_store(StoreConfig(url="s3://bucket/x"))


@pytest.mark.usefixtures("keys")
def test_the_representation_shows_no_key(server: S3Server) -> None:
    shown = repr(MinioStore.from_url(_config(server)))
    assert server.endpoint in shown
    assert server.access_key not in shown
    assert server.secret_key not in shown
