"""What a server answers from: files in memory as a plain web server has them, or another server."""

from __future__ import annotations

import hashlib
import http.client
import re
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

from servers.loopback import Answer, Request, Site

MISSING = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>No.</body></html>"
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_OWN = {"connection", "transfer-encoding", "keep-alive", "host"}
"""Headers of one connection, not of what is asked for."""


def files_below(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files of a folder, by their paths in it with "/"."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }


class Files:
    """A plain web server: ranges, HEAD, ETags; no listing; a page of HTML for a missing file.

    Attributes:
        files: The contents by path, without a slash in front. May be changed at any time.
        ranges: Whether it knows `Range`.
    """

    def __init__(self, files: dict[str, bytes], *, ranges: bool = True) -> None:
        self.files, self.ranges = files, ranges

    def __call__(self, request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return Answer(405, {"Allow": "GET, HEAD"})
        content = self.files.get(unquote(request.path).lstrip("/"))
        if content is None:
            return Answer(404, {"Content-Type": "text/html"}, MISSING)
        headers = {
            "Content-Type": "application/octet-stream",
            "ETag": f'"{hashlib.sha256(content).hexdigest()[:16]}"',
            "Last-Modified": "Tue, 01 Oct 2024 08:00:00 GMT",
        }
        wanted = request.headers.get("if-match")
        if wanted not in (None, "*", headers["ETag"]):
            return Answer(412, headers)
        if not self.ranges:
            return Answer(200, headers, content)
        headers["Accept-Ranges"] = "bytes"
        found = _RANGE.fullmatch(request.range or "")
        return _part(content, headers, *found.groups()) if found else Answer(200, headers, content)


def _part(content: bytes, headers: dict[str, str], first: str, last: str) -> Answer:
    size = len(content)
    begin = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if begin >= end:
        return Answer(416, {**headers, "Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    return Answer(206, headers, content[begin:end])


def forward_to(url: str) -> Site:
    """Return a site that hands each request on to another server, over a connection per thread."""
    address = urlsplit(url).netloc
    local = threading.local()

    def forward(request: Request) -> Answer:
        connection = getattr(local, "connection", None)
        if connection is None:
            connection = local.connection = http.client.HTTPConnection(address, timeout=60)
        headers = {name: value for name, value in request.headers.items() if name not in _OWN}
        connection.request(request.method, request.target, request.body or None, headers)
        response = connection.getresponse()
        body = response.read()
        kept = {n: v for n, v in response.getheaders() if n.lower() not in _OWN}
        return Answer(response.status, kept, body)

    return forward
