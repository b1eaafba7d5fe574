"""An emulator of Google Cloud Storage in a thread, and gcsfs as its client.

The emulator knows the JSON interface, as gcsfs speaks it. obstore speaks the XML interface, of
which the emulator has neither HEAD nor listings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NEEDED = ("gcsfs", "gcp_storage_emulator")
BUCKET = "fixtures"


@contextmanager
def emulator() -> Iterator[str]:
    """Run the emulator with one empty bucket; gives its address."""
    from gcp_storage_emulator.server import create_server

    server = create_server("127.0.0.1", 0, in_memory=True, default_bucket=BUCKET)
    server.start()
    yield f"http://127.0.0.1:{server._api._httpd.server_address[1]}"
    server.stop()


def filesystem(url: str) -> Any:
    """Return gcsfs's file system at an address, without credentials."""
    with pytest.MonkeyPatch.context() as patch:
        # Its newer half speaks gRPC, and so to Google.
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        from gcsfs.core import GCSFileSystem
    options = {"token": "anon", "project": "test", "skip_instance_cache": True}
    return GCSFileSystem(endpoint_url=url, **options)
