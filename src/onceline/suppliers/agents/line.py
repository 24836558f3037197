"""One question to an agent and its answer, over the operator's door; what was never answered is told from what was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from onceline.core.errors import OutboundRefused
from onceline.outbound import ConfiguredDoor, NotReached, OutboundFailed, Reply
from onceline.outbound_address import parse
from onceline.suppliers.agents import wire
from onceline.suppliers.agents.settings import AgentSettings
from onceline.suppliers.agents.wire import NotUnderstood
from onceline.suppliers.base import Configured

_HEADERS = {"Content-Type": "application/json", "User-Agent": "Onceline"}


class NoAnswer(Exception):
    """`asked` is False when the question cannot have reached the agent. The text is a stable word."""

    def __init__(self, word: str, *, asked: bool = True) -> None:
        super().__init__(word)
        self.asked = asked


class Line:
    def __init__(
        self, configured: Configured, door: Callable[[Iterable[str]], ConfiguredDoor] = ConfiguredDoor
    ) -> None:
        self._configured = configured
        settings: AgentSettings = configured.settings
        self._url = settings.url
        where = parse(self._url)
        self._door = door([f"{where.host}:{where.port}"])

    def ask(self, action: str, exact: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
        """The answer, an object with a `status`; within the door's 15 s. Raises NoAnswer, NotConfigured."""
        asked = {"action": action, "key": self._configured.secret("key"), **fields}
        try:
            reply = self._door.request("POST", self._url, _HEADERS, wire.written(asked, **(exact or {})))
        except OutboundRefused:
            raise NoAnswer("refused_address", asked=False) from None
        except OutboundFailed as failed:
            raise NoAnswer(failed.reason, asked=not isinstance(failed, NotReached)) from None
        return _read(reply)


def _read(reply: Reply) -> dict[str, Any]:
    """Raises NoAnswer: of a server that failed nothing is certain, whatever it says."""
    if reply.status >= 500 or reply.truncated:
        raise NoAnswer("failed")
    encoding = next((value for name, value in reply.headers if name.lower() == "content-encoding"), "")
    try:
        found = wire.read_object(wire.unpacked(reply.body, encoding))
        wire.text(found, "status", 64)
    except NotUnderstood:
        raise NoAnswer("not_understood") from None
    return found
