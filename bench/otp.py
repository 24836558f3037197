"""What code extraction finds and costs, on the message sets of the tests.

`run()` returns a row per set: recall (codes exactly right), wrong-code rate (a code that is not the code, of all
messages), none-rate (messages without a code that give none), the weakest language, and microseconds a message.
`worst()` is the hostile text that costs most.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from onceline.core.inbox.otp import find_code

FIXTURES = Path(__file__).parent.parent / "tests" / "core" / "inbox" / "fixtures"
FOLDER = FIXTURES / "otp"
ROUNDS = 3
ORDINARY = (
    "Hi Priya, enter 204816 on the screen to finish setting up your Acme profile. It expires in 10 minutes."
)
LENGTH = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one set; rates from 0 to 1."""

    name: str
    messages: int
    recall: float
    wrong: float
    none: float
    weakest: str
    weakest_rate: float
    microseconds: float


@dataclass(frozen=True, slots=True)
class Worst:
    """The motif whose repetition to 10,000 characters costs most: in milliseconds, and in ordinary messages."""

    motif: str
    milliseconds: float
    ratio: float


def run() -> list[Row]:
    """A row for every message set, and one for all of them."""
    sets = [
        (path.stem, json.loads(path.read_text(encoding="utf-8"))) for path in sorted(FOLDER.glob("*.json"))
    ]
    return [
        _row(name, messages) for name, messages in [*sets, ("all sets", [m for _, one in sets for m in one])]
    ]


def worst() -> Worst:
    """Of every hostile motif of the tests."""
    motifs = json.loads((FIXTURES / "hostile.json").read_text(encoding="utf-8"))
    ordinary = _cost([ORDINARY], 50)
    cost, motif = max((_cost([(motif * LENGTH)[:LENGTH]], 2 * ROUNDS), motif) for motif in motifs)
    return Worst(motif, cost / 1000, cost / ordinary)


def _row(name: str, messages: list[dict[str, str | None]]) -> Row:
    right: dict[str, list[bool]] = defaultdict(list)
    coded, empty, wrong = [], [], 0
    for message in messages:
        found = find_code(message["text"] or "")
        value = found.value if found else None
        right[message["group"] or ""].append(value == message["code"])
        (coded if message["code"] else empty).append(value == message["code"])
        wrong += value is not None and value != message["code"]
    rates = {group: sum(hits) / len(hits) for group, hits in right.items()}
    weakest = min(rates, key=lambda group: rates[group])
    return Row(
        name=name,
        messages=len(messages),
        recall=_rate(coded),
        wrong=wrong / len(messages),
        none=_rate(empty),
        weakest=weakest,
        weakest_rate=rates[weakest],
        microseconds=_cost([message["text"] or "" for message in messages], ROUNDS),
    )


def _rate(hits: list[bool]) -> float:
    return sum(hits) / len(hits) if hits else 1.0


def _cost(texts: list[str], rounds: int) -> float:
    """Microseconds of processor time a message, from the fastest round: other work on the machine only ever adds."""
    return min(_rounds(texts, rounds)) / len(texts) * 1e6


def _rounds(texts: list[str], rounds: int) -> Iterator[float]:
    for _ in range(rounds):
        started = time.thread_time()
        for text in texts:
            find_code(text)
        yield time.thread_time() - started


def _line(result: Row | Worst) -> str:
    return ", ".join(
        f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value!r}"
        for key, value in asdict(result).items()
    )


if __name__ == "__main__":
    for one in [*run(), worst()]:
        print(_line(one))
