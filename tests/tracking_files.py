"""MLflow stores in SQLite files, copied from one that is made once: MLflow takes seconds to make one."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

_FOLDER = tempfile.TemporaryDirectory(prefix="gukbap-tracking-")  # goes with the process


@cache
def _empty() -> Path:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path = Path(_FOLDER.name) / "empty.db"
    SqlAlchemyStore(f"sqlite:///{path}", str(path.parent / "artifacts")).engine.dispose()
    return path


def tracking_file(path: Path) -> str:
    """An empty store at a path, as a tracking URI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_empty(), path)
    return f"sqlite:///{path}"
