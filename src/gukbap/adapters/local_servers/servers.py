"""Both servers of a folder: started, found again, stopped; ports, keys and data stay.

```
keys.json     the S3 keys (mode 0600), made once
state.json    the ports, and the processes that run
s3/           SeaweedFS's data       s3.json  its identities (mode 0600)
mlflow.sqlite3
logs/
```
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

from gukbap.adapters.local_servers.keys import Keys, has_keys, keys_in
from gukbap.adapters.local_servers.mlflow import mlflow_server
from gukbap.adapters.local_servers.ports import first_free, is_free
from gukbap.adapters.local_servers.processes import ProcessId, end_all, members, start
from gukbap.adapters.local_servers.seaweed import s3_server
from gukbap.adapters.local_servers.server import Server
from gukbap.adapters.model_cache import locked
from gukbap.config import StoreConfig
from gukbap.errors import GukbapError, InputError, UsageError
from gukbap.files import read_json, write_json
from gukbap.handover import OBJECT_STORE, TRACKING_URI
from gukbap.ports import Progress

BUCKET = "gukbap"
#: what a recipe's store.url is set to
STORE_URL = f"s3://{BUCKET}/runs"
FOLDER_VARIABLE = "GUKBAP_UP_FOLDER"
#: where a free port is looked for the first time
FIRST_PORTS = {"s3": 9000, "mlflow": 5000}
#: how long a server may take to become ready, in seconds
READY_SECONDS = 120.0
_PAUSE = 0.3
_LOG_LINES = 8


@dataclass(frozen=True)
class ServerState:
    """What a server is doing: it runs and answers, runs without answering, or does not run."""

    name: str
    state: Literal["running", "not answering", "stopped"]
    url: str | None
    pid: int | None


def default_folder() -> Path:
    """GUKBAP_UP_FOLDER, else $XDG_DATA_HOME/gukbap/up, else ~/.local/share/gukbap/up.

    One for all of a user's projects, so that `gukbap down` finds what `gukbap up` started elsewhere.
    """
    if named := os.environ.get(FOLDER_VARIABLE):
        return Path(named)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "gukbap" / "up"


class LocalServers:
    """The servers of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._state_file = self.folder / "state.json"

    def up(self, progress: Progress, wanted_ports: Mapping[str, int | None]) -> list[ServerState]:
        """Start what does not run, and wait until both servers really answer.

        Args:
            progress: where the wait is told.
            wanted_ports: server → its port; None: the one it had, else a free one.

        Raises:
            UsageError: a server runs on another port than the wanted one.
            GukbapError: a program is missing, a port is taken, or a server does not become ready;
                what this call has started is stopped again.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self.folder / "servers", progress):
            keys = keys_in(self.folder)
            self._choose_ports(wanted_ports)
            started: list[Server] = []
            try:
                for server in self._servers(keys):
                    if not self._runs(server):
                        started.append(server)
                        self._start(server, progress)
                for server in self._servers(keys):
                    self._wait(server)
            except BaseException:
                for server in reversed(started):
                    self._stop(server)
                raise
        return self.status()

    def down(self, progress: Progress) -> list[str]:
        """Stop both servers and wait for the end of their processes; names those that ran.

        Raises:
            GukbapError: a process outlives even SIGKILL.
        """
        if not has_keys(self.folder):
            return []
        with locked(self.folder / "servers", progress):
            # MLflow first: it writes to the other one.
            return [
                server.name
                for server in reversed(self._servers(keys_in(self.folder)))
                if self._stop(server, lambda title: progress.say(f"stopping {title}"))
            ]

    def status(self) -> list[ServerState]:
        """What each server is doing now."""
        if not has_keys(self.folder):
            return [ServerState(name, "stopped", None, None) for name in FIRST_PORTS]
        return [self._look(server) for server in self._servers(keys_in(self.folder))]

    def environment(self) -> dict[str, str]:
        """The variables by which other commands find the servers; the secret key is among them.

        Raises:
            GukbapError: a server does not run.
        """
        stopped = [state.name for state in self.status() if state.state != "running"]
        if stopped:
            raise GukbapError(f"not running in {self.folder}: {', '.join(stopped)}", fix="gukbap up")
        keys, names = keys_in(self.folder), StoreConfig()
        s3, mlflow = self._servers(keys)
        return {
            OBJECT_STORE: s3.url,
            names.access_key_env: keys.access_key,
            names.secret_key_env: keys.secret_key,
            TRACKING_URI: mlflow.url,
        }

    def _servers(self, keys: Keys) -> list[Server]:
        ports = FIRST_PORTS | self._load()["ports"]  # without a state, processes are found by their marks
        s3 = s3_server(self.folder, ports["s3"], keys, BUCKET)
        return [s3, mlflow_server(ports["mlflow"], s3.url, keys, BUCKET)]

    def _choose_ports(self, wanted: Mapping[str, int | None]) -> None:
        state = self._load()
        for name, first in FIRST_PORTS.items():
            known, given = state["ports"].get(name), wanted.get(name)
            identity = self._identity(name)
            if given and known != given and identity and identity.is_running:
                raise UsageError(
                    f"{name} runs on port {known}, not {given}", fix="gukbap down, then up with the new port"
                )
            state["ports"][name] = given or known or first_free(first)
        if len(set(state["ports"].values())) < len(FIRST_PORTS):
            raise UsageError(f"both servers on port {state['ports']['s3']}", expected="two ports")
        self._save(state)

    def _start(self, server: Server, progress: Progress) -> None:
        self._end_processes(server)  # what a crash, or a killed `gukbap up`, has left
        port = int(server.url.rpartition(":")[2])
        if not is_free(port):
            raise GukbapError(
                f"port {port}, which is {server.title}'s, is taken by another program",
                fix=f"stop that program, or choose another port: gukbap up --{server.name}-port PORT",
            )
        command = server.command()
        log = self._log(server)
        log.parent.mkdir(exist_ok=True)
        progress.say(f"starting {server.title} on {server.url}")
        identity = start(command, server.environment, self.folder, log, self._mark(server))
        self._record(server, {"pid": identity.pid, "started": identity.started})

    def _wait(self, server: Server) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not server.is_ready():
            if not self._runs(server):
                raise self._trouble(server, "has ended")
            if time.monotonic() > deadline:
                raise self._trouble(server, f"does not answer after {READY_SECONDS:.0f} s")
            time.sleep(_PAUSE)

    def _trouble(self, server: Server, what: str) -> GukbapError:
        log = self._log(server)
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
        last = server.hide("\n    ".join(lines[-_LOG_LINES:])) or "nothing"
        return GukbapError(
            f"{server.title} {what}; its log ends with:\n    {last}",
            fix=f"see {log}; then `gukbap down` and `gukbap up`",
        )

    def _stop(self, server: Server, tell: Callable[[str], None] | None = None) -> bool:
        if tell and self._members(server):
            tell(server.title)
        any_ran = self._end_processes(server)
        self._record(server, None)
        return any_ran

    def _end_processes(self, server: Server) -> bool:
        return end_all(lambda: self._members(server), server.title)

    def _members(self, server: Server) -> list[psutil.Process]:
        return members(self._mark(server), self._identity(server.name))

    def _look(self, server: Server) -> ServerState:
        identity = self._identity(server.name)
        if identity is None or not identity.is_running:
            return ServerState(server.name, "stopped", None, None)
        answers = server.is_ready()
        return ServerState(server.name, "running" if answers else "not answering", server.url, identity.pid)

    def _runs(self, server: Server) -> bool:
        identity = self._identity(server.name)
        return identity is not None and identity.is_running

    def _identity(self, name: str) -> ProcessId | None:
        noted = self._load()["processes"].get(name)
        return ProcessId(noted["pid"], noted["started"]) if noted else None

    def _record(self, server: Server, process: dict[str, Any] | None) -> None:
        state = self._load()
        state["processes"][server.name] = process
        self._save(state)

    def _mark(self, server: Server) -> str:
        return f"{server.name}@{self.folder}"

    def _log(self, server: Server) -> Path:
        return self.folder / "logs" / f"{server.name}.log"

    def _load(self) -> dict[str, Any]:
        if not self._state_file.exists():
            return {"ports": {}, "processes": {}}
        try:
            state: dict[str, Any] = read_json(self._state_file)
            ports, processes = state["ports"], state["processes"]
        except (InputError, KeyError, TypeError) as error:
            raise InputError(
                f"{self._state_file} is damaged",
                expected="ports and processes as `gukbap up` writes them",
                fix="remove it, then `gukbap down`: ports are chosen anew, keys and data stay",
            ) from error
        return {"ports": ports, "processes": processes}

    def _save(self, state: dict[str, Any]) -> None:
        write_json(self._state_file, state)
