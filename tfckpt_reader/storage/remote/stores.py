"""From a URL to its store: of obstore where that is installed, else of fsspec.

Credentials are the library's own ways to find them. A URL with a query or a password, and a store
of the user's own, get a number in the scheme, as in ``https+1://host/path``: it stands for them in
all names and messages. Numbers count within one process.
"""

from __future__ import annotations

import posixpath
import re
import threading
from base64 import b64encode
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from tfckpt_reader.errors import CheckpointError, ErrorKind
from tfckpt_reader.storage.remote.store import asking

if TYPE_CHECKING:
    from tfckpt_reader.storage.remote.store import Store

_OBSTORE = frozenset({"s3", "s3a", "gs", "az", "adl", "azure", "abfs", "abfss", "http", "https"})
"""Schemes of obstore. ``memory://`` is fsspec's: there it is one store for all."""
_WEB = frozenset({"http", "https"})
"""Schemes of servers that list nothing."""
_NAME = re.compile(r"(?s)([a-z][a-z0-9.-]+)(?:\+(\d+))?://(.*)")
"""Scheme, number and rest of a name."""
_RETRIES: Any = {"max_retries": 6}


class _Origin(NamedTuple):
    """The URL with secrets, or the store, that has a number."""

    scheme: str
    site: str
    """User, password and host of a URL with secrets."""
    query: str
    filesystem: object


_origins: list[_Origin] = []
_lock = threading.Lock()


def name_of(path: str, filesystem: object = None) -> str:
    """Return the name that stands for a URL, or for a path in a store, without secrets.

    Raises:
        CheckpointError: nothing is installed that reads such URLs.
    """
    match = _NAME.fullmatch(path)
    if filesystem is not None:
        origin = _Origin(_scheme_of(filesystem), "", "", filesystem)
        rest = match[3] if match else path
        rest = rest if hasattr(filesystem, "cat_file") else _key(rest, has_host=bool(match))
        return f"{origin.scheme}+{_number(origin)}://{rest}"
    if match is None or match[2]:
        return path
    if match[1] not in _WEB:
        return path
    parts = urlsplit(path)
    host = parts.netloc.rpartition("@")[2]
    if not parts.query and host == parts.netloc:
        return f"{match[1]}://{host}{parts.path}"
    number = _number(_Origin(match[1], parts.netloc, parts.query, None))
    return f"{match[1]}+{number}://{host}{parts.path}"


def _key(path: str, *, has_host: bool) -> str:
    """Return the key of a path in a store of the user's own."""
    return path.partition("/")[2] if has_host else path.lstrip("/")


def user_path(name: str) -> tuple[str, object]:
    """Return the URL or path, and the filesystem, for which a name stands: to be pickled."""
    match = _NAME.fullmatch(name)
    if match is None or not match[2]:
        return name, None
    origin = _origins[int(match[2]) - 1]
    if origin.filesystem is not None:
        return match[3], origin.filesystem
    path = match[3].partition("/")[2]
    query = f"?{origin.query}" if origin.query else ""
    return f"{origin.scheme}://{origin.site}/{path}{query}", None


def _number(origin: _Origin) -> int:
    with _lock:
        if origin not in _origins:
            _origins.append(origin)
        return _origins.index(origin) + 1


def _scheme_of(filesystem: Any) -> str:
    protocol = getattr(filesystem, "protocol", "store")
    return protocol if isinstance(protocol, str) else str(protocol[0])


def store_of(name: str) -> tuple[Store, str]:
    """Return the store of a name, and the key in it.

    Raises:
        CheckpointError: there is no such store, or nothing installed that reads it.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise CheckpointError("is no URL", file=name)
    scheme, number, rest = match.groups()
    rest = posixpath.normpath(rest) if "/." in rest else rest
    with asking(name):
        if number and _origins[int(number) - 1].filesystem is not None:
            return _own_store(int(number)), rest
        host, _, path = rest.partition("/")
        if scheme in _OBSTORE and _is_installed("obstore"):
            return _obstore(scheme, host, number), unquote(path) if scheme in _WEB else path
        if _is_installed("fsspec"):
            return _fsspec(scheme, number), rest
    raise CheckpointError(
        f"{scheme}:// paths need a library that reads them",
        kind=ErrorKind.UNREACHABLE,
        file=name,
        advice="Install it: pip install 'tfckpt-reader[remote]'"
        if scheme in _OBSTORE
        else "Install fsspec, and its filesystem for this scheme",
    )


def _is_installed(library: str) -> bool:
    return find_spec(library) is not None


@cache
def _own_store(number: int) -> Store:
    origin = _origins[number - 1]
    if hasattr(origin.filesystem, "cat_file"):
        from tfckpt_reader.storage.remote.fsspec_store import FsspecStore

        return FsspecStore(origin.filesystem, origin.scheme, lists=origin.scheme not in _WEB)
    from tfckpt_reader.storage.remote.object_store import ObjectStore

    return ObjectStore(origin.filesystem, lists="HTTP" not in type(origin.filesystem).__name__)


@cache
def _obstore(scheme: str, host: str, number: str | None) -> Store:
    import obstore.store

    from tfckpt_reader.storage.remote.object_store import ObjectStore

    if scheme not in _WEB:
        return ObjectStore(obstore.store.from_url(f"{scheme}://{host}", retry_config=_RETRIES))
    origin = _origins[int(number) - 1] if number else _Origin(scheme, host, "", None)
    options: Any = {"allow_http": scheme == "http", **_login(origin)}
    url = f"{scheme}://{host}/?{origin.query}".removesuffix("?")
    store = obstore.store.HTTPStore.from_url(url, client_options=options, retry_config=_RETRIES)
    return ObjectStore(store, lists=False)


def _login(origin: _Origin) -> dict[str, Any]:
    """Return the option with the user and the password of a URL; old obstore takes no empty one."""
    login, at, _ = origin.site.rpartition("@")
    coded = b64encode(unquote(login).encode()).decode()
    return {"default_headers": {"Authorization": f"Basic {coded}"}} if at else {}


@cache
def _fsspec(scheme: str, number: str | None) -> Store:
    import fsspec

    from tfckpt_reader.storage.remote.fsspec_store import FsspecStore

    filesystem = fsspec.filesystem(scheme)
    if number is None:
        return FsspecStore(filesystem, scheme, lists=scheme not in _WEB)
    origin = _origins[int(number) - 1]
    return FsspecStore(filesystem, scheme, lists=False, site=origin.site, query=f"?{origin.query}")
