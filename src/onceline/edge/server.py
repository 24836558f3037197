"""uvicorn, with an end that tells everybody when to come back, and with the bounds that it leaves out.

- Who does not read for READ_S is cut by the kernel, whatever the connection carries: closing alone would keep what is
  not yet sent for as long as the client likes.
- A message in very many empty fragments, and pings whose answers nobody reads, would grow in memory without end.
"""

from __future__ import annotations

import os
import socket

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from onceline.edge.hub import Hub

READ_S = 20
CLOSE_S = 2.0
MOST_FRAGMENTS = 64


class EdgeServer(uvicorn.Server):
    """Stops accepting, lets the hub send everybody away, and only then closes what is left."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listener in server.sockets:
                _bound_waiting(listener.fileno())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await self._hub.leave()
        await super().shutdown(sockets)


class EdgeSocket(WebSocketsSansIOProtocol):
    """A WebSocket whose client cannot make it grow."""

    def __init__(self, *args: object, **rest: object) -> None:
        super().__init__(*args, **rest)  # type: ignore[arg-type]  # as uvicorn makes it
        self.close_timeout = CLOSE_S

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) < MOST_FRAGMENTS:
            super().handle_cont(event)
        elif not self.close_sent:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self.handle_parser_exception()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()


def _bound_waiting(listener: int) -> None:
    """Connections inherit it. Where the system has no such option, a client that does not read is only let go of."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with socket.socket(fileno=os.dup(listener)) as copy:
            copy.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, READ_S * 1000)
