"""The keys of the local S3 server: made once, kept, and readable by their owner alone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from gukbap.errors import InputError
from gukbap.files import atomic_file, canonical_json, read_json

#: a file that holds a secret
PRIVATE = 0o600
_FILE = "keys.json"


@dataclass(frozen=True)
class Keys:
    """A key pair of the S3 server."""

    access_key: str
    secret_key: str = field(repr=False)


def has_keys(folder: Path) -> bool:
    """Whether servers were ever started in a folder: keys are the first thing that is made there."""
    return (folder / _FILE).exists()


def keys_in(folder: Path) -> Keys:
    """The keys in `folder`/keys.json, which is made where it is missing.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / _FILE
    if not path.exists():
        made = Keys(f"gukbap-{secrets.token_hex(8)}", secrets.token_urlsafe(32))
        write_private(path, {"access_key": made.access_key, "secret_key": made.secret_key})
    path.chmod(PRIVATE)
    values = read_json(path)
    try:
        return Keys(str(values["access_key"]), str(values["secret_key"]))
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} does not hold a key pair",
            expected="access_key and secret_key",
            fix="remove it: `gukbap up` makes new keys, and the data stays",
        ) from error


def write_private(path: Path, value: object) -> None:
    """Write a JSON document that only its owner can read, at no moment anybody else."""
    with atomic_file(path, PRIVATE) as file:
        file.write(canonical_json(value).encode())
