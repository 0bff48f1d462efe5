"""A gigabyte into an S3 server and back: the plain minio client beside this project's store.

    python bench/store_throughput.py [--mib 1024] [--runs 2]

SeaweedFS on loopback; each transfer in a process of its own. Printed are seconds, the peak of memory, and
the ratio. Ours hashes the file before it goes and as it comes back, sends every part with its MD5, and can
be killed and gone on with; the plain client does none of that.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers import seaweed_s3

MIB = 1 << 20
OURS = """
import sys
from pathlib import Path
from gukbap.adapters.minio_store import MinioStore
from gukbap.config import StoreConfig
deed, endpoint, path = sys.argv[1:]
store = MinioStore.from_url(StoreConfig(url="s3://bench/ours", endpoint_url=endpoint))
store.put_file(Path(path), "f") if deed == "put" else store.get_file("f", Path(path))
status = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024)
"""
PEER = """
import os, sys
from pathlib import Path
from minio import Minio
deed, endpoint, path = sys.argv[1:]
keys = os.environ["MINIO_ACCESS_KEY"], os.environ["MINIO_SECRET_KEY"]
client = Minio(endpoint.split("//")[1], *keys, secure=False)
if not client.bucket_exists("bench"):
    client.make_bucket("bench")
client.fput_object("bench", "peer/f", path) if deed == "put" else client.fget_object("bench", "peer/f", path)
status = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024)
"""


def timed(code: str, deed: str, endpoint: str, path: Path) -> tuple[float, int]:
    """Seconds and MiB of one transfer."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, deed, endpoint, str(path)], check=True, capture_output=True, text=True
    )
    return time.perf_counter() - start, int(done.stdout.split()[-1])


def main() -> None:
    """Run both in turn; print each, the best, and the ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--runs", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gukbap-store-") as name, seaweed_s3() as server:
        os.environ |= {
            "MINIO_ACCESS_KEY": server.access_key,
            "MINIO_SECRET_KEY": server.secret_key,
            "GUKBAP_CACHE": f"{name}/cache",
        }
        source, draw = Path(name) / "f", random.Random(1)
        with source.open("wb") as file:
            for _ in range(options.mib):
                file.write(draw.randbytes(MIB))
        best: dict[tuple[str, str], float] = {}
        for _ in range(options.runs):
            for deed in ("put", "get"):
                for tool, code in (("minio", PEER), ("gukbap", OURS)):
                    path = source if deed == "put" else Path(name) / f"back-{tool}"
                    seconds, peak = timed(code, deed, server.endpoint, path)
                    best[tool, deed] = min(seconds, best.get((tool, deed), seconds))
                    speed = f"{options.mib / seconds:4.0f} MiB/s"
                    print(f"{deed} {tool:6} {seconds:5.1f} s, {speed}, peak {peak} MiB")
        for deed in ("put", "get"):
            print(f"ratio gukbap / minio, {deed}: {best['gukbap', deed] / best['minio', deed]:.2f}")


if __name__ == "__main__":
    main()
