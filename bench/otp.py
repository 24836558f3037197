"""What code extraction finds and costs, on the message sets of the tests.

`run()` returns a row per set: recall (codes exactly right), wrong-code rate (a code that is not the code, of all
messages), none-rate (messages without a code that give none), the weakest language, and microseconds a message.
"""

import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from onceline.core.inbox.otp import find_code

FOLDER = Path(__file__).parent.parent / "tests" / "core" / "inbox" / "fixtures" / "otp"
ROUNDS = 3


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


def run() -> list[Row]:
    """A row for every message set."""
    return [_row(path) for path in sorted(FOLDER.glob("*.json"))]


def _row(path: Path) -> Row:
    messages = json.loads(path.read_text(encoding="utf-8"))
    right: dict[str, list[bool]] = defaultdict(list)
    coded, empty, wrong = [], [], 0
    for message in messages:
        found = find_code(message["text"])
        value = found.value if found else None
        right[message["group"]].append(value == message["code"])
        (coded if message["code"] else empty).append(value == message["code"])
        wrong += value is not None and value != message["code"]
    rates = {group: sum(hits) / len(hits) for group, hits in right.items()}
    weakest = min(rates, key=lambda group: rates[group])
    return Row(
        name=path.stem,
        messages=len(messages),
        recall=_rate(coded),
        wrong=wrong / len(messages),
        none=_rate(empty),
        weakest=weakest,
        weakest_rate=rates[weakest],
        microseconds=_cost([message["text"] for message in messages]),
    )


def _rate(hits: list[bool]) -> float:
    return sum(hits) / len(hits) if hits else 1.0


def _cost(texts: list[str]) -> float:
    """Microseconds a message, from the fastest round: other work on the machine only ever adds."""
    return min(_round(texts) for _ in range(ROUNDS)) / len(texts) * 1e6


def _round(texts: list[str]) -> float:
    started = time.perf_counter()
    for text in texts:
        find_code(text)
    return time.perf_counter() - started


if __name__ == "__main__":
    for row in run():
        print(
            ", ".join(
                f"{key} {value:.3f}" if isinstance(value, float) else f"{key} {value}"
                for key, value in asdict(row).items()
            )
        )
