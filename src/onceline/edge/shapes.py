"""The typed contract of /api/v1: what requests must look like, what answers look like (OpenAPI comes from here)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from onceline.core.inbox.recognise import Evidence

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", examples=["telegram"])]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", examples=["GB"])]
Network = Annotated[str, Field(pattern=r"^[0-9]{5,6}$", examples=["23415"])]
E164 = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{4,14}$", examples=["+447700900123"])]
Decimal = Annotated[str, Field(pattern=r"^[0-9]{1,10}(\.[0-9]{1,6})?$", examples=["0.2500"])]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]+$")]
ClientReference = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
OrderId = Annotated[int, Field(ge=1, le=2147483647)]


class Asked(BaseModel):
    """A request body: unknown fields are refused, types are not guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)


class PlaceOrder(Asked):
    service: Slug
    country: Country
    kind: Literal["activation", "rental"] = "activation"
    pool: Slug | None = None
    network: Network | None = None
    max_price: Decimal | None = Field(
        None, description="Decimal text; the order fails rather than cost more."
    )
    duration: int | None = Field(
        None, ge=1, le=366 * 86400, description="Seconds; of a rental, as offers list them."
    )
    number: E164 | None = Field(
        None, description="A number that you had before for this service, to have it again."
    )
    client_reference: ClientReference | None = None


class PlaceOrders(Asked):
    orders: Annotated[list[PlaceOrder], Field(min_length=1, max_length=50)]


class ExtendOrder(Asked):
    duration: int = Field(ge=1, le=366 * 86400, description="Seconds, as offers list them.")
    max_price: Decimal | None = Field(
        None, description="Decimal text; the extension fails rather than cost more."
    )


class AutoExtend(Asked):
    on: bool


class CreateKey(Asked):
    name: Name
    scopes: Annotated[list[str], Field(max_length=10)] = Field(
        default_factory=list, description="Empty: all of the kind's."
    )
    kind: Literal["api", "protocol"] = "api"
    expires_in_s: int | None = Field(None, ge=60, le=10 * 366 * 86400)
    spend_cap: Decimal | None = Field(
        None, description="What its orders and extensions may cost together; what is released counts no more."
    )


class RotateKey(Asked):
    overlap_s: int = Field(86400, ge=0, le=90 * 86400, description="How long the old key goes on working.")


class MarkRead(Asked):
    up_to: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = Field(
        None, description="The newest id that you saw."
    )
    ids: Annotated[list[Annotated[int, Field(ge=1, le=2**31 - 1)]], Field(max_length=100)] = Field(
        default_factory=list
    )


class ChangeNotices(Asked):
    address: Annotated[str, Field(min_length=3, max_length=254)] | None = Field(
        None, description="A new address is sent a code. Null leaves it as it is."
    )
    codes: Literal["off", "without_code", "with_code"] = Field(
        "off", description="Mail about codes of this side, from the next one on."
    )
    low_balance: Decimal | None = Field(
        None, description="Tell when less than this is available. Null, or 0: never."
    )
    muted: Annotated[list[str], Field(max_length=20)] = Field(
        default_factory=list, description="Kinds that are not mailed; security kinds cannot be named."
    )


class ConfirmAddress(Asked):
    code: Annotated[str, Field(min_length=1, max_length=32)]


class RedeemVoucher(Asked):
    code: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="As printed; small letters, spaces and dashes do not matter.",
        examples=["7K2M-9QWX-0D4T-VB6N-H3EH"],
    )


class SendTestMessage(Asked):
    number: E164
    sender: Annotated[str, Field(max_length=64)]
    text: Annotated[str, Field(max_length=10_000)]


class Money(BaseModel):
    amount: str = Field(examples=["0.2500"])
    currency: str = Field(examples=["USD"])


class Message(BaseModel):
    id: str
    sender: str | None = Field(description="As received: written by a stranger, never proof of anything.")
    text: str | None = Field(description="Null when erased.")
    code: str | None
    service: str | None = Field(
        description="The service that the message seems to come from, if any is seen."
    )
    confidence: float | None = Field(description="How sure that is, from 0 to 1; 0.8 and more is acted on.")
    evidence: Evidence | None = Field(description="What says so.")
    received_at: str
    late: bool = Field(description="Found after the order had ended: shown, and free.")
    incomplete: bool = Field(description="Parts of it have not come (yet): […] stands for them.")
    revision: int


class Order(BaseModel):
    id: OrderId
    kind: Literal["activation", "rental"]
    state: Literal[
        "placing", "waiting", "received", "resend_pending", "finished", "cancelled", "expired", "failed"
    ]
    number: str | None = Field(description="Null while the supplier is asked.")
    service: str
    country: str
    pool: str
    network: str | None
    price: Money
    created_at: str
    expires_at: str
    closed_at: str | None
    cancel_available_at: str
    can_cancel: bool
    can_resend: bool
    can_finish: bool
    auto_extend: bool = Field(description="A rental that goes on by itself; false once it is over.")
    charged: bool
    revision: int = Field(description="Grows with every change, also when a second code equals the first.")
    client_reference: str | None
    withheld: int = Field(description="Messages that were not shown: prohibited, or of another service.")
    code: str | None = Field(description="The latest code.")
    messages: list[Message] = Field(description="The latest 20, oldest first.")


class Orders(BaseModel):
    orders: list[Order]
    next: str | None = Field(None, description="Cursor of the next page.")


class Messages(BaseModel):
    messages: list[Message]
    next: str | None


class OrderOfMessage(BaseModel):
    id: OrderId
    number: str | None
    service: str


class SideMessage(Message):
    order: OrderOfMessage


class SideMessages(BaseModel):
    messages: list[SideMessage]
    next: str | None
    searched: int | None = Field(
        description="Among how many of the latest messages `sender` and `text` were looked for; null without them."
    )
    complete: bool = Field(description="False where older messages were not looked at for that reason.")


class Balance(BaseModel):
    available: str
    held: str
    refund_pending: str = Field(description="Of deposits on their way back.")
    disputed: str = Field(description="Frozen until a payer's bank has decided.")
    debt: str = Field(description="Owed after a payment was taken back that had been spent.")
    currency: str
    mode: Literal["test", "live"]


class RedeemedVoucher(BaseModel):
    deposit: str = Field(examples=["dep_7q2m5k3w4x6z2a4b"])
    amount: str = Field(examples=["10.0000"])
    currency: str
    mode: Literal["test", "live"]


class Transfer(BaseModel):
    id: str
    kind: Literal[
        "deposit", "bonus", "hold", "capture", "release", "refund_asked", "refund_sent", "refund_undone", "bonus_undone",
        "dispute", "dispute_owed", "dispute_lost", "dispute_won", "debt_paid", "debt_undone",
    ]  # fmt: skip
    debit: str
    credit: str
    amount: str
    currency: str
    order: int | None
    made_at: str


class Statement(BaseModel):
    transfers: list[Transfer]
    next: str | None


class Fact(BaseModel):
    type: str = Field(examples=["order.received"])
    at: str
    revision: int | None = Field(description="Of the order, when this happened.")
    subject: str | None = Field(description="The name of what an event without an order is about.")
    order: Order | None = Field(description="As it stands now; null for an event that names none.")
    message: Message | None


class Event(BaseModel):
    seq: int
    id: str = Field(description="The same on every channel, however often the event is read or sent.")
    event: Fact


class Events(BaseModel):
    events: list[Event]
    seq: int = Field(description="The newest seq of this side.")
    epoch: str
    more: bool


class Key(BaseModel):
    id: str
    kind: Literal["api", "protocol"]
    name: str
    last4: str
    scopes: list[str]
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    last_used_on: str | None
    spend_cap: str | None
    spent: str | None = Field(description="Held or captured, of a key with a cap.")


class NewKey(BaseModel):
    id: str
    key: str = Field(description="Shown this once; only a hash is kept.")


class Keys(BaseModel):
    keys: list[Key]


class Notification(BaseModel):
    id: int = Field(description="Grows; of the account.")
    kind: str = Field(examples=["key.rotated"])
    mode: Literal["test", "live"] | None = Field(description="Null: about the account as a whole.")
    title: str
    body: str
    facts: dict[str, Any] = Field(description="What title and body are made of.")
    at: str
    read_at: str | None


class Notifications(BaseModel):
    notifications: list[Notification]
    unread: int = Field(description="Counted up to 100; 100 means as many or more.")
    next: str | None


class Unread(BaseModel):
    unread: int


class NoticeSettings(BaseModel):
    address: str | None
    confirmed_at: str | None = Field(description="Null while nothing is mailed to `address`.")
    pending_address: str | None = Field(description="Waits for the code that was sent to it.")
    pending_until: str | None
    codes: Literal["off", "without_code", "with_code"]
    low_balance: str | None
    muted: list[str]


class Accepted(BaseModel):
    message_id: str


class Ticket(BaseModel):
    ticket: str
    expires_in_s: int


class CountryShape(BaseModel):
    iso2: str
    name: str
    dial_code: str
    field_id: int | None


class Countries(BaseModel):
    countries: list[CountryShape]
    next: str | None


class ServiceShape(BaseModel):
    slug: str
    name: str
    codes: list[str] = Field(description="What the field's old protocols call it.")
    category: str
    window_s: int


class Services(BaseModel):
    services: list[ServiceShape]
    next: str | None


class Pool(BaseModel):
    slug: str
    name: str
    mode: str
    countries: list[str]


class Pools(BaseModel):
    pools: list[Pool]


class Step(BaseModel):
    up_to: int | None = Field(description="Seconds, within; null: whatever is longer.")
    count: int


class Offer(BaseModel):
    service: str
    country: str
    pool: str
    price: Money
    stock: int = Field(description="Numbers leasable at `as_of`, for somebody new to them.")
    success_rate: float | None = Field(description="Share of the last seven days' orders that got a code.")
    median_s: float | None = Field(description="Seconds to the first code, median of those.")
    seconds_histogram: list[Step] | None = Field(description="How many of those codes took how long.")


class Offers(BaseModel):
    offers: list[Offer]
    as_of: str
    durations: list[int] = Field(description="Seconds that rentals are sold for.")
    next: str | None


class AskExport(Asked):
    kind: Literal["orders", "codes", "statement", "account"]
    format: Literal["csv", "json"] = "csv"
    since: str | None = Field(
        None, alias="from", max_length=40, description="RFC 3339; of the order, message or transfer. Within."
    )
    until: str | None = Field(None, max_length=40, description="RFC 3339. Not within.")


class MakeLink(Asked):
    expires_in_s: int = Field(600, ge=60, le=86400)


class Export(BaseModel):
    id: str
    kind: Literal["orders", "codes", "statement", "account"]
    format: Literal["csv", "json"]
    since: str | None = Field(alias="from")
    until: str | None
    state: Literal["queued", "running", "ready", "failed", "expired"]
    reason: Literal["erased", "internal"] | None = Field(description="Why it failed.")
    rows_done: int
    rows_total: int | None = Field(description="About; null while or where it is not known.")
    bytes: int = Field(description="Of the file, as far as it is made.")
    file_name: str
    created_at: str = Field(description="Nothing younger is in the file.")
    finished_at: str | None
    expires_at: str | None = Field(description="When the file is destroyed.")


class Exports(BaseModel):
    exports: list[Export]
    next: str | None


class DownloadLink(BaseModel):
    url: str = Field(description="A path on this server; fetched without a key.")
    expires_at: str
