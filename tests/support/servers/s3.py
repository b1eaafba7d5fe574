"""moto's S3 server, in a process of its own, and the settings that lead clients to it.

python s3.py   serves until its standard input is closed; prints its port
"""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from urllib.parse import quote, urlsplit

NEEDED = ("moto", "flask")
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}

_SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=testing/20240101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
}
"""Moto looks whether there is a signature, not whose."""


def environment(url: str) -> dict[str, str]:
    """Return the variables that obstore and boto know, for a server at `url`."""
    return {
        **KEYS,
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        # Neither looks for anything else: not on this machine, not in its cloud.
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


class S3:
    """A running server; `url` is its address."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def put(self, bucket: str, files: dict[str, bytes] | None = None) -> None:
        """Make a bucket if it is missing, and put files into it."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        puts = {"": b"", **{f"/{quote(key)}": body for key, body in (files or {}).items()}}
        for path, body in puts.items():
            connection.request("PUT", f"/{bucket}{path}", body, _SIGNED)
            response = connection.getresponse()
            response.read()
            assert response.status in (200, 409), (path, response.status)
        connection.close()

    def close(self) -> None:
        self._process.communicate()


def _serve() -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    application = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, application, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)  # noqa: T201 - whoever started it waits for that
    sys.stdin.read()


if __name__ == "__main__":
    _serve()
