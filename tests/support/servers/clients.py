"""Libraries that read from a server, with one retry, and the patience that a test gives them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from servers import need
from servers.s3 import KEYS

PATIENCE = 20.0
"""Seconds that a client waits for a byte: longer than any pause of a busy machine."""


def obstore_http(url: str, patience: float = PATIENCE) -> Any:
    need("obstore")
    from obstore.store import HTTPStore

    return HTTPStore.from_url(url, **_options(patience))


def obstore_s3(url: str, patience: float = PATIENCE, bucket: str = "saved") -> Any:
    need("obstore")
    from obstore.store import S3Store

    return S3Store(
        bucket,
        endpoint=url,
        region="us-east-1",
        access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
        **_options(patience),
    )


def _options(patience: float) -> Any:
    seconds = timedelta(seconds=patience)
    return {
        "client_options": {"allow_http": True, "timeout": seconds},
        "retry_config": {
            "max_retries": 1,
            "retry_timeout": 3 * seconds,
            "backoff": {"init_backoff": timedelta(milliseconds=10)},
        },
    }


def fsspec_http(_url: str, patience: float = PATIENCE) -> Any:
    need("aiohttp", "fsspec")
    import aiohttp
    from fsspec.implementations.http import HTTPFileSystem

    timeout = aiohttp.ClientTimeout(total=2 * patience, sock_read=patience)
    return HTTPFileSystem(client_kwargs={"timeout": timeout}, skip_instance_cache=True)


def s3fs(url: str, patience: float = PATIENCE) -> Any:
    need("s3fs")
    from s3fs import S3FileSystem

    found = S3FileSystem(
        endpoint_url=url,
        key=KEYS["AWS_ACCESS_KEY_ID"],
        secret=KEYS["AWS_SECRET_ACCESS_KEY"],
        config_kwargs={
            "read_timeout": patience,
            "connect_timeout": patience,
            "retries": {"max_attempts": 1},
        },
        skip_instance_cache=True,
    )
    found.retries = 2  # its own, around those of botocore
    return found


WEB: dict[str, Callable[..., Any]] = {"obstore": obstore_http, "fsspec": fsspec_http}
S3: dict[str, Callable[..., Any]] = {"obstore": obstore_s3, "s3fs": s3fs}
RETRYING = (obstore_http, obstore_s3, s3fs)
"""Those that ask again after 429, 5xx, or a connection that breaks."""
