"""The word tables: whole, well formed, and read by the language of the message."""

import json
from importlib.resources import files

from onceline.core.inbox.otp_text import fold, fold_word
from onceline.core.inbox.otp_words import ROLES, find_words

FOLDER = files("onceline.core.inbox").joinpath("data", "words")


def roles(text: str) -> list[tuple[str, str]]:
    low = fold(text).low
    return [(low[word.start : word.end], word.role) for word in find_words(low)]


def test_every_language_names_the_code_and_only_known_roles() -> None:
    tables = {item.name: json.loads(item.read_text(encoding="utf-8")) for item in FOLDER.iterdir()}
    assert len(tables) >= 60
    for name, table in tables.items():
        assert table["strong"], name
        assert table["code"], name
        assert set(table) <= set(ROLES), name
        assert all(fold_word(word.strip("*")) for words in table.values() for word in words), name


def test_a_word_that_holds_code_is_no_code_word() -> None:
    assert ("barcode", "hide") in roles("scan the barcode")
    assert ("vscode", "hide") in roles("your vscode is ready")
    assert roles("your footpath") == []


def test_compounds_count_as_their_tail() -> None:
    assert ("code", "code") in roles("Ihr Lieblingscode lautet")


def test_accents_do_not_matter() -> None:
    assert roles("doğrulama kodunuz") == roles("dogrulama kodunuz")


def test_a_short_word_is_read_in_the_language_around_it() -> None:
    assert ("ma", "code") in roles("Ma cua quy khach la 123456, vui long nhap")
    assert ("ma", "code") not in roles("come ma non troppo con il tuo cliente")


def test_folding_keeps_the_way_back() -> None:
    folded = fold("a\u200fé\u0301b")
    assert folded.plain == "aeb"
    assert [folded.original(at) for at in range(3)] == [0, 2, 4]
