"""Weighs the candidates of a message against the words around them.

Promises: a number is a code only when words say so; a labelled number (order, card, phone, amount, minutes) never is
unless a code word stands closer. Prefers no code to a doubtful one. Pure, bounded.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from onceline.core.inbox.otp_candidates import Candidate, nearest
from onceline.core.inbox.otp_text import Folded
from onceline.core.inbox.otp_words import Word

ENOUGH = 5.0
_NEAR = 10
_MOST = 16
_MOST_WEIGHED = 8
_SIGHT = 240
_CURRENCY = "$€£¥₹₽₺₴₸₦₩฿₫₭₮₱₪₾֏৳៛￥₼"
_BREAK = re.compile(r"[.!?…]+(?=\s)|[。！？؟।॥۔።။](?!$)|[.!?](?=[^\W\d_ ])")
_MARK_BEFORE = re.compile(r"(?:[:=>\"'(\[【「『<]|(?<=\s)-) *[\"'(\[【「『<*]*$|\n *$|[\"'(\[【「『*]$")
_MARK_AFTER = re.compile(r"^[\"')\]】」』*]*\s*(?:-|:|\(|,|，|\n|=)")
_LEADS = frozenset("】].!？。>:")
_OPEN = re.compile(r"[\"'(\[【「『*<]$")
_CLOSE = re.compile(r"^[\"')\]】」』*>]")
_STOP = re.compile(
    r"\b(?:stop|help|unsub\w*|text|reply|send|txt|report|forward|ketik|soan|sms)\b[^.\n]{0,24}"
    r"\b(?:to|ke|au|al|an|gui|на|till|til|naar|para) *$"
)
_HOTLINE = re.compile(r"^(?:1[89]00|0?800|0?850|0?900|400|444|19\d\d)\d{4,7}$")
_YEAR = re.compile(r"^(?:19[5-9]|20[0-4])\d$|^25[67]\d$|^14[0-4]\d$")
_LENGTHS = {3: -1.1, 4: 0.5, 5: 0.6, 6: 1.2, 7: 0.4, 8: 0.6, 9: -1.2, 10: -1.2}
_PHONE = re.compile("phone|telef|telep|tel$|thoai|mobil|handy|тел|мобил|τηλ|هاتف|تلفن|טלפ|โทร")
"""In the labels of all languages, those that mean a telephone: the one thing that a code itself may verify."""
_NAMED_NEAR = 45
_BASE = {"strong": 6.0, "code": 5.0, "action": 3.0}


@dataclass(frozen=True, slots=True)
class Message:
    """A folded message with its words and candidates."""

    text: Folded
    words: tuple[Word, ...]
    candidates: tuple[Candidate, ...]
    roles: frozenset[str]
    ends: tuple[int, ...]
    twice: frozenset[str]

    @classmethod
    def of(cls, text: Folded, words: list[Word], candidates: tuple[Candidate, ...]) -> "Message":
        ends = tuple(word.end for word in words)
        roles = {word.role for word in words}
        if any(sign in text.plain for sign in "%٪％"):
            roles.add("promo")
        counts = Counter(candidate.value for candidate in candidates)
        twice = frozenset(value for value, count in counts.items() if count > 1)
        return cls(text, tuple(words), candidates, frozenset(roles), ends, twice)

    def has(self, role: str) -> bool:
        return role in self.roles

    def before(self, at: int) -> tuple[Word, ...]:
        """The last words that end at or before a position."""
        count = bisect_right(self.ends, at)
        return self.words[max(0, count - _NEAR) : count]

    def after(self, at: int) -> tuple[Word, ...]:
        """The first words that start at or behind a position."""
        count = bisect_right(self.ends, at)
        return tuple(word for word in self.words[count : count + _NEAR] if word.start >= at)


@dataclass(frozen=True, slots=True)
class Weighed:
    """A candidate and its score; `ENOUGH` and more is a code."""

    candidate: Candidate
    score: float


def best(message: Message) -> Weighed | None:
    """The candidate most likely to be the code, or None when none is likely enough."""
    marks = anchors(message.words)
    live = [c for c in _closest(message.candidates, marks, _MOST) if not _ruled_out(message, c)]
    live = _closest(live, marks, _MOST_WEIGHED)
    if not live:
        return None
    weighed = [Weighed(c, _weigh(message, c, live)) for c in live]
    top = max(weighed, key=lambda w: (round(w.score, 3), -w.candidate.start))
    return top if top.score >= _bar(message) else None


def anchors(words: Sequence[Word]) -> list[int]:
    """Where the words that speak of a code begin and end, ascending."""
    return [at for word in words if word.role in _BASE for at in (word.start, word.end)]


def _closest(candidates: Sequence[Candidate], marks: list[int], most: int) -> list[Candidate]:
    kept = set(nearest([c.span for c in candidates], marks, most))
    return [c for c in candidates if c.span in kept]


def _bar(message: Message) -> float:
    """Promotions and notices of a change need a plainer code than other messages."""
    if message.has("promo") and not message.has("strong"):
        return ENOUGH + 4.0
    if message.has("notice") and not message.has("strong"):
        return ENOUGH + 1.0
    return ENOUGH


def _ruled_out(message: Message, c: Candidate) -> bool:
    plain, low = message.text.plain, message.text.low
    left, right = plain[max(0, c.start - 3) : c.start], plain[c.end : c.end + 3]
    if (left.rstrip()[-1:] in _CURRENCY and left.strip()) or (
        right.lstrip()[:1] in _CURRENCY and right.strip()
    ):
        return True
    if (right.lstrip()[:1] in "%٪％" and right.strip()) or left[-1:] == "+":
        return True
    if len(c.value) >= 9 and c.value.isdigit() and not _vouched(message, c):
        return True
    if c.kind != "letters" and (_counted(message, c) or _labelled(message, c)):
        return True
    return bool(_STOP.search(low[max(0, c.start - 45) : c.start]))


def _counted(message: Message, c: Candidate) -> bool:
    """Money before it, or money, minutes, points or a label right after it."""
    low = message.text.low
    for word in message.before(c.start)[-2:]:
        if (
            word.role == "money"
            and c.start - word.end <= 2
            and low[word.end : c.start].strip() in {"", ".", ":"}
        ):
            return True
    after = message.after(c.end)[:2]
    if not after or after[0].start - c.end > 1 or _tight(message, c):
        return False
    if after[0].role == "label":
        coded = len(after) > 1 and after[1].role in {"strong", "code"} and after[1].start - after[0].end <= 1
        return not coded and not _link_word(message, c)
    return after[0].role in {"unit", "money"}


def _tight(message: Message, c: Candidate) -> bool:
    """A code word ends right before the candidate, with at most a sign between."""
    before = [w for w in message.before(c.start) if w.role != "link"]
    if not before or before[-1].role not in {"strong", "code"}:
        return False
    return len(message.text.low[before[-1].end : c.start].strip(" :=-\"'([【「*\n")) <= 3


def _labelled(message: Message, c: Candidate) -> bool:
    """The nearest word before it says that it is another number."""
    low = message.text.low
    before = [w for w in message.before(c.start) if w.role not in {"link", "warn"}]
    if not before:
        return False
    word = before[-1]
    gap = low[word.end : c.start]
    if (gap.strip(" :.-#") or word.role == "number") and _entered(message, c):
        return False
    if any(char.isdigit() for char in gap) or len(gap) > 16 or _BREAK.search(gap.lstrip(".")):
        return False
    if (gap.strip()[:1] in {":", "-"} or gap.rstrip()[-1:] == ":") and (
        _announced(message, c) or _headed(message, c)
    ):
        return False
    if word.role == "number":
        return not (len(before) > 1 and before[-2].role in _BASE and word.start - before[-2].end <= 1)
    if word.role == "label" and _phone_verified(message, c, word, before):
        return False
    if word.role in {"label", "hide"}:
        return not (word.role == "label" and "\n" in gap and len(c.value) >= 4 and gap.strip() == "")
    return word.role == "soft" and gap.strip(" .#") == "" and word.end - word.start > 2


def _phone_verified(message: Message, c: Candidate, label: Word, before: Sequence[Word]) -> bool:
    """ "The code to verify your phone is N": a code word, something about verifying, the phone, and a word for "is"."""
    low = message.text.low
    if not _PHONE.search(low[label.start : label.end]):
        return False
    if not (_link_word(message, c) or low[label.end : c.start].rstrip().endswith(":")):
        return False
    named = [
        word
        for word in before
        if word.role in {"strong", "code"} and 0 <= label.start - word.end <= _NAMED_NEAR
    ]
    if not named:
        return False
    between = low[named[-1].end : label.start]
    if _BREAK.search(between) or any(char.isdigit() for char in between):
        return False
    return named[-1].role == "strong" or any(
        word.role == "action" and word.start >= named[-1].start for word in before
    )


def _vouched(message: Message, c: Candidate) -> bool:
    """Nine digits and more are a phone or account number unless the sentence plainly says code."""
    if _tight(message, c) or _announced(message, c):
        return True
    floor = max(0, c.start - _SIGHT)
    start = max((m.end() for m in _BREAK.finditer(message.text.low, floor, c.start)), default=floor)
    named = any(w.role in {"strong", "code"} and w.start >= start for w in message.before(c.start))
    return named and _link_word(message, c)


def _entered(message: Message, c: Candidate) -> bool:
    """ "… 482913 eingeben": the verb, or the code word, follows at once, as in verb-final languages."""
    low = message.text.low
    for word in message.after(c.end)[:1]:
        if word.role in _BASE and word.start - c.end <= 6 and not _BREAK.search(low[c.end : word.start]):
            return word.role == "action" or not re.match(r" ?[:=]? ?[0-9]", low[word.end : word.end + 4])
    return False


def _headed(message: Message, c: Candidate) -> bool:
    """The only number of a message stands behind a colon in a sentence that began with the code."""
    if len(message.candidates) > 1:
        return False
    strong = [w for w in message.before(c.start) if w.role in {"strong", "code"}]
    between = message.text.low[max(strong[-1].end, c.start - _SIGHT) : c.start] if strong else ""
    return bool(strong) and not _BREAK.search(between) and not any(char.isdigit() for char in between)


def _announced(message: Message, c: Candidate) -> bool:
    """ "… is your code" follows at once: the word before it is a name, as in "App Store: 482913 is your code"."""
    after = message.after(c.end)[:2]
    if len(after) < 2 or after[0].role != "link" or after[1].role not in {"strong", "code"}:
        return False
    return not message.text.low[c.end : after[0].start].strip() and after[1].start - c.end < 45


def _weigh(message: Message, c: Candidate, live: list[Candidate]) -> float:
    linked = [_link(message, c, mark, live) for mark in _near(message, c)]
    if not linked:
        return _alone(message, c, live)
    linked.sort(reverse=True)
    score = linked[0] + 0.15 * max(0.0, linked[1] if len(linked) > 1 else 0.0)
    return score + _shape(message, c) + _place(message, c) + _lonely(message, c, live)


def _near(message: Message, c: Candidate) -> list[Word]:
    before = [word for word in message.before(c.start) if word.role in _BASE]
    after = [word for word in message.after(c.end) if word.role in _BASE]
    return before[-3:] + after[:2]


def _link(message: Message, c: Candidate, mark: Word, live: list[Candidate]) -> float:
    low = message.text.low
    before = mark.end <= c.start
    left, right = (mark.end, c.start) if before else (c.end, mark.start)
    gap = low[max(left, right - _SIGHT) : right] if before else low[left : min(right, left + _SIGHT)]
    others = sum(1 for o in live if o.start >= left and o.end <= right and o.value != c.value)
    breaks = min(2, len(_BREAK.findall(gap))) + 0.3 * min(2, gap.count("\n"))
    score = _BASE[mark.role] - min(len(gap) / 40, 3.0) - (2.0 if before else 3.0) * breaks - 1.8 * others
    if before:
        score += _before(message, c, mark, gap)
    else:
        score += _after(message, c, gap) + (1.5 if mark.role == "action" and len(gap) <= 6 else 0.0)
    return score


def _before(message: Message, c: Candidate, mark: Word, gap: str) -> float:
    score = 0.0
    floor = mark.start - 60 if _BREAK.search(gap) else mark.end
    if not _closing(message, c) and any(
        w.role == "warn" and w.start >= floor for w in message.before(c.start)
    ):
        score -= 1.5
    if _MARK_BEFORE.search(message.text.plain, max(0, c.start - 5), c.start) or _link_word(message, c):
        score += 1.5
    if mark.role == "action" and len(gap) <= 6:
        score += 1.5 + (0.8 if _purpose(message, c) else 0.0)
    return score


def _purpose(message: Message, c: Candidate) -> bool:
    """ "Enter … to confirm": what it is entered for follows in the same sentence."""
    return any(
        word.role == "action" and not _BREAK.search(message.text.low[c.end : word.start])
        for word in message.after(c.end)[:2]
        if word.start - c.end <= 60
    )


def _closing(message: Message, c: Candidate) -> bool:
    """The only number of a message, behind a colon and with nothing after it."""
    plain = message.text.plain
    ends = not plain[c.end : c.end + 8].strip(" .\n") and len(plain) - c.end <= 8
    return (
        ends and len(c.value) >= 5 and len(message.candidates) == 1 and plain[: c.start].rstrip()[-1:] == ":"
    )


def _link_word(message: Message, c: Candidate) -> bool:
    last = message.before(c.start)[-1:]
    return any(w.role == "link" and not message.text.low[w.end : c.start].strip(" :\"'([") for w in last)


def _after(message: Message, c: Candidate, gap: str) -> float:
    plain = message.text.plain
    score = -0.5
    linked = any(
        w.role == "link" and not message.text.low[c.end : w.start].strip(" \"')]】")
        for w in message.after(c.end)[:1]
    )
    if linked or _MARK_AFTER.search(plain[c.end : c.end + 4]) or len(gap.strip()) == 0:
        score += 1.0
    lead = plain[max(0, c.start - 12) : c.start].strip(" \n\"'([【*<>#:")
    if (c.start <= 12 and not lead) or plain[max(0, c.start - 4) : c.start].rstrip(" \"'([*")[-1:] in _LEADS:
        score += 1.4
    if plain[max(0, c.start - 4) : c.start].rstrip()[-1:] in {":", "】", "]"}:
        score += 0.7
    return score


def _shape(message: Message, c: Candidate) -> float:
    if c.kind in {"mixed", "letters"} and _ticketed(message, c):
        return -2.5
    if c.kind == "mixed":
        return _mixed_shape(c.value) + (0.9 if _tight(message, c) and not message.has("promo") else 0.0)
    if c.kind == "letters":
        return 0.2
    length = sum(char.isdigit() for char in c.value)
    score = _LENGTHS.get(length, -2.0)
    if (length >= 9 or length == 3) and _tight(message, c):
        score += 1.2
    if c.kind == "digits" and _YEAR.match(c.value) and not (_tight(message, c) or _announced(message, c)):
        score -= 1.5
    if _HOTLINE.match(c.value):
        score -= 2.0
    return score


def _ticketed(message: Message, c: Candidate) -> bool:
    """Letters and digits behind talk of a booking, an order or a parcel are its number."""
    labels = any(word.role == "label" for word in message.before(c.start))
    return labels and "strong" not in message.roles


def _mixed_shape(value: str) -> float:
    digits = sum(char.isdigit() for char in value)
    if value.isupper() or value.islower():
        return -0.6 if digits >= 1 and len(value) >= 5 else -1.2
    return -1.8


def _place(message: Message, c: Candidate) -> float:
    plain = message.text.plain
    score = 0.0
    if _own_line(plain, c):
        score += 1.5
    elif _own_sentence(plain, c):
        score += 2.1
    if _OPEN.search(plain[max(0, c.start - 1) : c.start]) and _CLOSE.search(plain[c.end : c.end + 1]):
        score += 0.7
    if c.value in message.twice:
        score += 1.0
    soft = message.before(c.start)
    if soft and soft[-1].role == "soft" and c.start - soft[-1].end <= 2:
        score -= 1.0
    return score


def _own_line(plain: str, c: Candidate) -> bool:
    left = plain.rfind("\n", 0, c.start) + 1
    right = plain.find("\n", c.end)
    right = len(plain) if right < 0 else right
    return (
        not plain[left : c.start].strip(" *\"'-:.")
        and not plain[c.end : right].strip(" *\"'-:.")
        and "\n" in plain
    )


def _own_sentence(plain: str, c: Candidate) -> bool:
    before, after = plain[max(0, c.start - 4) : c.start].rstrip(" "), plain[c.end : c.end + 2].strip(" ")
    return before[-1:] in {".", "!", "。"} and after[:1] in {"", ".", "!", "。"}


def _lonely(message: Message, c: Candidate, live: list[Candidate]) -> float:
    """The only number in a message that speaks of a code is that code, however far the word."""
    if len({o.value for o in live}) > 1 or not 4 <= len(c.value) <= 10 or c.kind in {"mixed", "letters"}:
        return 0.0
    if message.has("strong") and not message.has("promo") and not message.has("notice"):
        return 1.8 if len(c.value) >= 5 else 0.8
    if message.has("code") and not message.has("promo") and not message.has("notice"):
        return 1.0 if len(c.value) >= 5 else 0.3
    if message.has("action") and _closing(message, c):
        return 2.3 if message.has("warn") else 1.0
    return 0.0


def _alone(message: Message, c: Candidate, live: list[Candidate]) -> float:
    """Without any code word only a message that is nothing but a name and a code has one."""
    plain = message.text.plain
    if c.kind == "mixed" and plain.strip() == c.value and len(c.value) >= 5 and c.value.isupper():
        return 5.0
    if len(live) > 1 or c.kind in {"mixed", "letters"} or not 4 <= len(c.value) <= 8 or _YEAR.match(c.value):
        return 0.0
    if message.roles & {"promo", "hide", "notice"}:
        return 0.0
    if "warn" in message.roles and len(c.value) >= (6 if message.has("money") else 5):
        opens = c.start < 24 and not message.before(c.start)
        if opens or plain[: c.start].rstrip()[-1:] == ":":
            return 5.0
    if message.has("money"):
        return 0.0
    if "label" in message.roles or "number" in message.roles:
        return 0.0
    if "unit" in message.roles and c.start < 4 and len(c.value) >= 5 and _own_line(plain, c):
        return 5.0
    rest = (plain[: c.start] + plain[c.end :]).strip(" :-.\n[]【】「」『』()<>#*\"'")
    if not rest:
        return 6.0 if plain[c.end :].strip() != "-" else 0.0
    named = len(rest) <= 20 and len(rest.split()) <= 2 and not any(char.isdigit() for char in rest)
    framed = plain[: c.start].rstrip(" *「『\n\"'")[-1:] in ":-】]" or not plain[: c.start].strip()
    return (
        5.0
        if named and framed and plain[c.end :].strip(" .*」』\n\"'") == "" and plain[: c.start].strip()
        else 0.0
    )
