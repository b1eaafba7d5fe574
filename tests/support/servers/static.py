"""aiohttp's server of static files, in a thread; with and without `Range`."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any


class Static:
    """A running server of a folder, which it does not list.

    Attributes:
        url: Its address, without a slash at the end.
        log: Method, path and range of each request so far.
    """

    def __init__(self, folder: Path, *, ranges: bool = True) -> None:
        self.log: list[tuple[str, str, str | None]] = []
        self._folder, self._ranges = folder, ranges
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        runner = self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _start(self) -> Any:
        from aiohttp import web

        @web.middleware
        async def logged(request: Any, handler: Any) -> Any:
            self.log.append((request.method, request.path, request.headers.get("Range")))
            return await handler(request)

        async def whole(request: Any) -> Any:
            path = self._folder / request.match_info["path"]
            if not path.is_file():
                raise web.HTTPNotFound
            return web.Response(body=path.read_bytes())

        application = web.Application(middlewares=[logged])
        if self._ranges:
            application.router.add_static("/", self._folder)
        else:
            application.router.add_get("/{path:.*}", whole)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner
