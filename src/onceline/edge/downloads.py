"""Files on their way out: piece by piece from the database, a bounded number at once, never faster than they are read.

Promises: one piece in memory for each; a reader that takes longer than SEND_S for one is cut off; so is one whose key
or file ends meanwhile, at the next piece. A cut shows: the length was announced. No range requests: a file is made once and
fetched whole.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from onceline.core.db import Transaction
from onceline.core.errors import ExportGone, LimitExceeded, OncelineError
from onceline.core.exports import commands
from onceline.core.exports.model import Export
from onceline.core.orders.context import Context
from onceline.edge.pool import CommandPool

_LOG = structlog.get_logger(__name__)
AT_ONCE = 16
AT_ONCE_OF_ACCOUNT = 4
SEND_S = 20.0
_SLICE = 64 * 1024


class Downloads:
    """How many run in this process, and for whom."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()

    @contextmanager
    def slot(self, account: str) -> Iterator[None]:
        """Raises LimitExceeded."""
        if self._running.total() >= AT_ONCE or self._running[account] >= AT_ONCE_OF_ACCOUNT:
            raise LimitExceeded("Too many files are being fetched.", limit="downloads", retry_after_s=5)
        self._running[account] += 1
        try:
            yield
        finally:
            self._running[account] -= 1
            if not self._running[account]:
                del self._running[account]


class Download(Response):
    """The answer that is the file of a ready export, for a grant that may have it."""

    def __init__(
        self, downloads: Downloads, pool: CommandPool, context: Context, export: Export, grant: int
    ) -> None:
        self._downloads, self._pool, self._context = downloads, pool, context
        self._export, self._grant = export, grant
        self.background = None
        self.status_code = 200
        self.init_headers(
            {
                "Content-Type": export.media_type,
                "Content-Length": str(export.bytes),
                "Content-Disposition": f'attachment; filename="{export.file_name}"',
                "Content-Security-Policy": "default-src 'none'; sandbox",
                "Cache-Control": "no-store",
            }
        )

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        with self._downloads.slot(self._export.account):
            first = await self._piece(0)
            if first is None:
                raise ExportGone("expired")
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            gone = asyncio.create_task(_gone(receive))
            try:
                await self._send_all(send, first, gone)
            except (OncelineError, TimeoutError) as cause:
                _LOG.info("download was cut", export=self._export.id, cause=type(cause).__name__)
            finally:
                gone.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await gone

    async def _send_all(self, send: Send, first: bytes, gone: asyncio.Task[None]) -> None:
        """Raises TimeoutError, and what reading a piece raises."""
        piece: bytes | None = first
        for following in range(1, self._export.pieces + 1):
            if piece is None:
                raise ExportGone("expired")
            if gone.done():
                return
            async with asyncio.timeout(SEND_S):
                for at in range(0, len(piece), _SLICE):
                    await send(_body(piece[at : at + _SLICE], more=True))
            piece = await self._piece(following) if following < self._export.pieces else None
        await send(_body(b"", more=False))

    async def _piece(self, n: int) -> bytes | None:
        def read(tx: Transaction) -> bytes | None:
            return commands.piece(tx, self._context, self._export, n, self._grant)

        return await self._pool.run_statement(read)


def _body(data: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def _gone(receive: Receive) -> None:
    """Returns when the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass
