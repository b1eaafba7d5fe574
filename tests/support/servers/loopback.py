"""An HTTP server on loopback that logs, delays and spoils its answers."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, TypeAlias

_PAUSE = 0.05
"""Seconds between two bytes of a slow body."""


@dataclass(frozen=True)
class Request:
    """What a client sent.

    Attributes:
        target: The path and the query, quoted as they were sent.
        headers: With names in lower case.
        earlier: How many requests of this method came for this target before.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    earlier: int = 0

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def range(self) -> str | None:
        return self.headers.get("range")

    def __str__(self) -> str:
        return f"{self.method} {self.target} {self.range or ''}".rstrip()


@dataclass(frozen=True)
class Answer:
    """What is sent back.

    Attributes:
        headers: As they are sent. Content-Length is added if they lack it.
        sent: How many bytes of the body are sent; None for all.
        end: What follows the last of these: "keep" the connection, "close" it, "reset" it,
            "stall" without a further byte, or "drip" bytes slowly and without end.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent: int | None = None
    end: str = "keep"


Site: TypeAlias = Callable[[Request], Answer]
Fault: TypeAlias = Callable[[Request, Answer], Answer]


class Server:
    """A running server.

    Attributes:
        url: Its address, without a slash at the end.
        log: The requests so far, in the order of their arrival.
        site: Where answers come from.
        fault: What spoils them; may be changed at any time.
        delay: Seconds before each answer.
    """

    def __init__(self, site: Site, fault: Fault | None = None, delay: float = 0) -> None:
        self.site, self.fault, self.delay = site, fault, delay
        self.log: list[Request] = []
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def answer(self, request: Request) -> Answer:
        """Log a request, and return what it gets."""
        time.sleep(self.delay)
        with self._lock:
            same = (request.method, request.target)
            earlier = sum((seen.method, seen.target) == same for seen in self.log)
            request = Request(*same, request.headers, request.body, earlier)
            self.log.append(request)
        answer = self.site(request)
        return self.fault(request, answer) if self.fault else answer

    @contextmanager
    def counted(self) -> Iterator[list[Request]]:
        """Give the requests made inside, once it is over."""
        seen: list[Request] = []
        before = len(self.log)
        yield seen
        seen += self.log[before:]

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


class _Http(ThreadingHTTPServer):
    owner: Server
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)  # no FIN before it, or a reset would be none

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(60)

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        if headers.get("transfer-encoding") == "chunked":
            body = self._chunked()
        self._send(self.server.owner.answer(Request(self.command, self.path, headers, body)))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PROPFIND = _serve  # noqa: N815

    def _chunked(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        names = {name.lower() for name in answer.headers}
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if not names & {"content-length", "transfer-encoding"} and answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.sent])
        self.wfile.flush()
        _ENDS[answer.end](self)

    def _keep(self) -> None:
        pass

    def _close(self) -> None:
        self.close_connection = True

    def _reset(self) -> None:
        time.sleep(_PAUSE)  # what was sent before shall arrive: a reset discards it
        self.connection.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _stall(self) -> None:
        self.server.owner.closing.wait()
        self.close_connection = True

    def _drip(self) -> None:
        while not self.server.owner.closing.wait(_PAUSE):
            self.wfile.write(b"\0")
            self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing: `Server.log` has it."""


_ENDS: dict[str, Callable[[_Handler], None]] = {
    "keep": _Handler._keep,
    "close": _Handler._close,
    "reset": _Handler._reset,
    "stall": _Handler._stall,
    "drip": _Handler._drip,
}
