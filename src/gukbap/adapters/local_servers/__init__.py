"""An S3 server and MLflow on loopback, without Docker: `gukbap up`, `down`, `status` and `env`.

| module | does |
| --- | --- |
| servers | up, down and status; what is remembered between them |
| seaweed, mlflow | how each server is started, and when it is ready |
| processes | processes that outlive the command, found again and ended for certain |
| keys, ports | keys that are made once; free ports |
"""

from __future__ import annotations

from gukbap.adapters.local_servers.servers import BUCKET, STORE_URL, LocalServers, ServerState, default_folder

__all__ = ["BUCKET", "STORE_URL", "LocalServers", "ServerState", "default_folder"]
