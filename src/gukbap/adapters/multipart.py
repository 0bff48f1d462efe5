"""Large files into an S3 bucket in parts: memory stays flat, and a killed upload goes on where it was.

Which parts an unfinished upload has is asked of the server; a part counts as sent where its ETag is the MD5
of these very bytes (S3 API reference, UploadPart). The upload's id is kept in a small note of this machine,
since an upload that somebody else began may carry another file's hash in its metadata.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from gukbap.adapters.model_cache import cache_folder
from gukbap.errors import InputError
from gukbap.files import canonical_json, read_json, sha256_file, sha256_text, write_json

Answer = TypeVar("Answer")
#: calls its argument, again where that may help; raises what it raises in the end
Retrying = Callable[[Callable[[], Answer]], Answer]

#: A file from this size on goes up in parts.
PARTS_FROM_BYTES = 16 << 20
#: With AT_ONCE parts under way this bounds the memory of an upload.
PART_BYTES = 16 << 20
AT_ONCE = 3
#: S3 takes 10,000 parts of one object; a few are left over.
MOST_PARTS = 9_000
_LISTED_AT_ONCE = 1000


def md5_of(content: bytes) -> Any:
    """The MD5 of some bytes: S3's measure of what arrived, and of no use against an enemy."""
    return hashlib.md5(content, usedforsecurity=False)


def digest_header(digest: Any) -> dict[str, str]:
    """What makes a server refuse other bytes than were sent (RFC 1864).

    Measured: SeaweedFS signs over the body's SHA-256 as S3 does, but takes another body all the same; with
    Content-MD5 it answers BadDigest, as MinIO does.
    """
    return {"Content-MD5": base64.b64encode(digest.digest()).decode()}


@dataclass(frozen=True)
class Source:
    """A file that is to be uploaded, as it was when it was hashed."""

    path: Path
    size: int
    sha256: str
    #: of its last change, nanoseconds
    changed: int

    @classmethod
    def of(cls, path: Path) -> Source:
        """The file as it is now, hashed."""
        before = path.stat()
        return cls(path, before.st_size, sha256_file(path), before.st_mtime_ns)

    def check_unchanged(self) -> None:
        """Stop where the file is another one by now: its hash would not be that of what was sent.

        Raises:
            InputError: it was changed.
        """
        now = self.path.stat()
        if (now.st_size, now.st_mtime_ns) != (self.size, self.changed):
            raise InputError(
                f"{self.path} was changed while it was uploaded; the store holds what it held before",
                fix="store it again when nothing writes to it",
            )

    @property
    def part_bytes(self) -> int:
        """How large each part is; the last one may be smaller."""
        return max(PART_BYTES, -(-self.size // MOST_PARTS))

    def part(self, number: int) -> bytes:
        """A part's bytes, numbered from 1."""
        with self.path.open("rb") as file:
            file.seek((number - 1) * self.part_bytes)
            return file.read(self.part_bytes)

    @property
    def parts(self) -> range:
        """The numbers of all parts."""
        return range(1, -(-self.size // self.part_bytes) + 1)


class MultipartUpload:
    """The upload of one file under one key.

    Args:
        client: a `minio.Minio`. Its own put_object begins anew after a kill, so its single calls are used.
        endpoint: the server, for the note.
        bucket: where to.
        name: the object's whole key.
        metadata: the object's headers.
        retrying: how calls are repeated.
    """

    def __init__(
        self,
        client: Any,
        endpoint: str,
        bucket: str,
        name: str,
        metadata: Mapping[str, str],
        retrying: Retrying[Any],
    ) -> None:
        self._client, self._bucket, self._name = client, bucket, name
        self._metadata, self._retrying = dict(metadata), retrying
        place = sha256_text(canonical_json([endpoint, bucket, name]))[:32]
        self._note = cache_folder() / "uploads" / f"{place}.json"

    def run(self, source: Source, sent: Callable[[int], None]) -> None:
        """Send what is missing and complete the object; `sent` is told the bytes of each part.

        Parts that the server has are told to `sent`, too.
        """
        from minio.datatypes import Part

        upload_id = self._unfinished(source) or self._begin(source)
        there = dict(self._parts_there(upload_id))

        def one(number: int) -> Any:
            content = source.part(number)
            digest = md5_of(content)
            if there.get(number) != digest.hexdigest():
                self._send(upload_id, number, content, digest_header(digest))
            sent(len(content))
            return Part(number, digest.hexdigest())

        with ThreadPoolExecutor(AT_ONCE) as pool:
            parts = list(pool.map(one, source.parts))
        source.check_unchanged()
        self._retrying(lambda: self._complete(upload_id, parts))
        self._note.unlink(missing_ok=True)

    def _complete(self, upload_id: str, parts: list[Any]) -> None:
        from minio.error import S3Error

        try:
            self._client._complete_multipart_upload(self._bucket, self._name, upload_id, parts)
        except S3Error as error:
            # An earlier try went through, and its reply was lost.
            if error.code != "NoSuchUpload" or not self._is_there(parts):
                raise

    def _is_there(self, parts: list[Any]) -> bool:
        """Whether the object is these parts: its ETag is the MD5 of theirs, and their number."""
        whole = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False)
        found = self._client.stat_object(self._bucket, self._name)
        return bool(found.etag.strip('"') == f"{whole.hexdigest()}-{len(parts)}")

    def _send(self, upload_id: str, number: int, content: bytes, header: Mapping[str, str]) -> None:
        self._retrying(
            lambda: self._client._upload_part(
                self._bucket, self._name, content, dict(header), upload_id, number
            )
        )

    def _begin(self, source: Source) -> str:
        upload_id: str = self._retrying(
            lambda: self._client._create_multipart_upload(self._bucket, self._name, dict(self._metadata))
        )
        write_json(self._note, {"upload_id": upload_id, **_identity(source)})
        return upload_id

    def _unfinished(self, source: Source) -> str | None:
        """The id of the upload that an earlier process began with these very bytes; another one is ended."""
        from minio.error import S3Error

        if not self._note.exists():
            return None
        note = read_json(self._note)
        upload_id = str(note.pop("upload_id"))
        try:
            if note == _identity(source):
                next(self._parts_there(upload_id), None)
                return upload_id
            self._client._abort_multipart_upload(self._bucket, self._name, upload_id)
        except S3Error as error:
            if error.code != "NoSuchUpload":
                raise
        self._note.unlink(missing_ok=True)
        return None

    def _parts_there(self, upload_id: str) -> Iterator[tuple[int, str]]:
        """Number and ETag of each part that the server has."""
        marker: str | None = None
        while True:
            page = self._retrying(partial(self._page, upload_id, marker))
            for part in page.parts:
                yield part.part_number, part.etag.strip('"')
            if not page.is_truncated:
                return
            marker = str(page.next_part_number_marker)

    def _page(self, upload_id: str, marker: str | None) -> Any:
        return self._client._list_parts(self._bucket, self._name, upload_id, _LISTED_AT_ONCE, marker)


def _identity(source: Source) -> dict[str, Any]:
    return {"sha256": source.sha256, "size": source.size, "part_bytes": source.part_bytes}


def unfinished_uploads(client: Any, bucket: str, prefix: str) -> Iterator[tuple[str, str, Any]]:
    """(key, upload id, time of its start) of each upload under a prefix that was never completed."""
    markers: dict[str, Any] = {}
    while True:
        page = client._list_multipart_uploads(bucket, prefix=prefix, **markers)
        for upload in page.uploads:
            yield upload.object_name, upload.upload_id, upload.initiated_time
        if not page.is_truncated:
            return
        markers = {"key_marker": page.next_key_marker, "upload_id_marker": page.next_upload_id_marker}
