"""What a supplier of numbers looks like to the rest of Onceline.

Three ways to meet a supplier, and a kind of supplier has those that it needs:
- messages are pushed to us: an `Inlet` reads requests to `/in/{supplier}`;
- we hold a connection or ask again and again: a `Session` runs in the worker;
- orders go out through `Supplier`, fed from the outbox of supplier calls, one call at a time and in order, under a
  reference of ours. The same call may come twice (a worker died, an answer was lost): a supplier must answer it as it
  did the first time, so nothing is ever bought twice.

Whatever the way, a message is handed to `Intake`, kept in one committed insert, and only then acknowledged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from onceline.core.db import Database
from onceline.core.inbox.model import Encoded, Part
from onceline.core.inbox.store import Kept
from onceline.core.orders.context import Context
from onceline.outbound import ConfiguredDoor

MOST_FACTS = 20
LONGEST_FACT = 200
ANSWERS_WITHIN_S = 4.5
"""What a supplier waits for when its kind does not say less; the edge answers 503 then."""


# What was configured ---------------------------------------------------------------------------------------------------


class KindSettings(BaseModel):
    """Base of what an operator sets for a supplier of one kind; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Configured:
    """One supplier as the operator set it up. `settings` is what its kind's model read; `secrets` are all active ones of
    each name, newest first. `url` is the public address of its inlet (None when ONCELINE_PUBLIC_URL is unset)."""

    name: str
    settings: Any
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    url: str | None = None

    def secret(self, name: str) -> str:
        """The newest. Raises NotConfigured."""
        values = self.secrets.get(name)
        if not values:
            raise NotConfigured(f"supplier {self.name} has no secret {name}")
        return values[0]


class NotConfigured(Exception):
    """Something that an operator has to set first; the text says what."""


# Messages that are pushed to us ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """A request to `/in/{supplier}` or `/in/{supplier}/{rest}`. Header names are lower case, `query` and `body` are raw.

    `rest` is what follows the supplier's name, without a slash. `url` is rebuilt from ONCELINE_PUBLIC_URL, path and query,
    never from what the client says of itself; None when that is unset.
    """

    method: str
    rest: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    url: str | None
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message, or a part of one, as the supplier wrote it.

    `message_id` is what the supplier calls it; where it gives none, "" and a duplicate is known by number, sender, text,
    part and `said_at` (the supplier's own time stamp, verbatim). `number` may lack its plus. `waited_s`: for how long it lay
    somewhere on its way, where that is known for certain: it is for whoever had the number when it came there.
    """

    message_id: str
    number: str
    sender: str
    text: str | Encoded
    part: Part | None = None
    said_at: str = ""
    device: str = ""
    waited_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A device says that it lives. `warning` is a stable word for staff ("android-too-new"), "" when all is well."""

    device: str
    facts: Mapping[str, str | int | bool | None] = field(default_factory=dict)
    warning: str = ""


class Outcome(Enum):
    """What became of a request, as `Inlet.answer` has to say it to the supplier."""

    KEPT = 200
    UNREADABLE = 400
    UNSIGNED = 401
    NOT_AUTHENTIC = 403
    AWAY = 503
    """Nothing is certain: it has to come again."""


class NotAuthentic(Exception):
    """A request that is not from the supplier. `reason` is a stable word: missing, wrong, stale, token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unreadable(Exception):
    """An authentic request that makes no sense. The text says what and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    media_type: str = "text/plain"


class Inlet(Protocol):
    """Made once from a Configured; called from several requests at a time, quick, and touches nothing outside."""

    @property
    def answers_within_s(self) -> float: ...

    def read(self, request: Request) -> Sequence[Arrival | Heartbeat]:
        """Verifies the raw request, then reads it; nothing for what is of no interest (a delivery report).

        Raises NotAuthentic, Unreadable.
        """

    def answer(self, outcome: Outcome) -> Answer: ...


def plain_answer(outcome: Outcome) -> Answer:
    """For suppliers that look at the status alone; nothing in it that one of them would send on to a stranger."""
    return Answer(204 if outcome is Outcome.KEPT else outcome.value)


# Connections that we hold ----------------------------------------------------------------------------------------------


class Session(Protocol):
    """Runs in a thread of a worker while it holds the lease of its name; a worker may run many."""

    @property
    def name(self) -> str:
        """Unique in the installation: the supplier's name, and what tells its sessions apart."""

    def hear(self, words: frozenset[str]) -> None:
        """Wake-ups, from any thread; returns quickly."""

    def wake(self) -> None:
        """Look now; also after `stopping` was set."""

    def run(self, stopping: threading.Event) -> None:
        """Until `stopping` is set; within a second of it nothing more is acknowledged. Never raises for the supplier's faults."""


class Intake(Protocol):
    """Where a session hands over what it got. Safe from several threads."""

    def keep(self, supplier: str, arrivals: Sequence[Arrival]) -> list[Kept]:
        """T1: committed when this returns, matched soon after. Raises Unavailable: then nothing may be acknowledged."""

    def beat(self, supplier: str, heartbeat: Heartbeat) -> None:
        """Remembered soon; costs nothing."""

    def alert(self, supplier: str, code: str, subject: str = "") -> None:
        """Tell staff; the same (supplier, code, subject) again counts up. No text, no code, no full number in `subject`."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a kind may use. `door` opens the way to the hosts that the operator named, and to no other."""

    db: Database
    context: Context
    intake: Intake
    door: Callable[[Iterable[str]], ConfiguredDoor] = ConfiguredDoor


# Orders that go out ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """`reference` names the order and nobody's account. `number` is None when the supplier has to choose one.

    `price` is what the customer's order holds, in micro-units: a bought number must never cost more.
    """

    reference: str
    service: str
    country: str
    network: str | None
    number: str | None
    price: int = 0


@dataclass(frozen=True, slots=True)
class Acquired:
    """The number in E.164, and its network as MCC+MNC when the supplier says it."""

    number: str
    network: str = ""


class NoNumbers(Exception):
    """A definite answer: the supplier has nothing for this call, and charged nothing."""


class OutcomeUnknown(Exception):
    """No definite answer came. The call is repeated under the same reference until one does."""


class Supplier(Protocol):
    """Each verb raises OutcomeUnknown when the supplier did not answer for certain."""

    def acquire(self, call: Call) -> Acquired:
        """A number for a new order, or the acknowledgement of the one we chose. Raises NoNumbers."""

    def finish(self, call: Call) -> None: ...

    def cancel(self, call: Call) -> None: ...

    def resend(self, call: Call) -> None: ...


# Messages that we send ourselves ---------------------------------------------------------------------------------------


class Sender(Protocol):
    """Sends from a number of the supplier's own: only self-tests, never anything for a customer."""

    def send(self, number_from: str, number_to: str, text: str) -> None:
        """Handed over when this returns; whether it arrives is another matter. Raises Exception: nothing was handed over."""


# A kind of supplier ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `onceline suppliers check` looked at. `words` say what is wrong and what would be right."""

    what: str
    ok: bool
    words: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A folder of `suppliers`, as the registry knows it. `secrets` maps each secret's name to what it is.

    `asks`: its pools must ask for a number first; such a kind has `orders`. `sessions` is called every few seconds: making one
    touches nothing. `check` calls the supplier where it can.
    """

    name: str
    settings: type[KindSettings]
    secrets: Mapping[str, str] = field(default_factory=dict)
    inlet: Callable[[Configured], Inlet] | None = None
    sessions: Callable[[Configured, Surroundings], Sequence[Session]] | None = None
    orders: Callable[[Configured, Surroundings], Supplier] | None = None
    send: Callable[[Configured, Surroundings], Sender] | None = None
    check: Callable[[Configured, Surroundings], Sequence[Finding]] | None = None
    asks: bool = False
