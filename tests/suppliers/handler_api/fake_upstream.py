"""A handler_api server as others run them: a process of its own that sells numbers, and fails in every way on demand.

    python fake_upstream.py PORT

Written from the protocol's public description alone; shares no line with Onceline. `/control` is the test's own door: GET tells
the books, POST changes them: {"set": {knob: value}, "faults": [...], "sms": {...}}.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

PHONES = {"0": "7958412", "6": "6281234", "16": "4474650", "187": "1213555", "36": "1416555"}
KNOBS: dict[str, Any] = {
    "key": "sesame",
    "balance": 100.0,
    "dialect": "v2",  # v1: no getNumberV2, no texts; v2; hero: other list key, JSON errors, ISO times, 204
    "honours": False,  # one activation for one orderId
    "cancel_after_s": 120,
    "lasts_s": 1200,
    "shift_s": 0.0,  # of the clock
    "zone_h": 3,  # of the stamps, which do not name it
    "national": False,
    "prices": {"16": {"tg": {"cost": 0.5, "count": 3}}},
    "raw": None,  # sent instead of any price list
    "hang_s": 30.0,
    "slow_s": 0.5,
    "chance": 0.0,  # of a random fault at any purchase or change of state
    "ignores_max_price": False,
    "says": {},  # by action: this instead of an answer, and nothing is done
}
AFTER = ("cut", "500", "html", "hang", "slow")
"""Faults that come when the work is done."""


class Books:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.knobs = dict(KNOBS)
        self.faults: list[dict[str, Any]] = []  # {"action", "how", "times"}: the next requests of an action
        self.activations: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, int] = {}
        self.random = random.Random(7)

    def now(self) -> float:
        return time.time() + float(self.knobs["shift_s"])

    def stamp(self, at: float) -> str:
        if self.knobs["dialect"] == "hero":
            return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at))
        return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at + 3600 * self.knobs["zone_h"]))

    def fault(self, action: str) -> str:
        for fault in self.faults:
            if fault["action"] == action and fault["times"] > 0:
                fault["times"] -= 1
                return str(fault["how"])
        if action.startswith(("getNumber", "setStatus")) and self.random.random() < self.knobs["chance"]:
            return self.random.choice(("cut", "500", "html", "cut_before", "500_before"))
        return ""

    def run_out(self) -> None:
        """Who got nothing in time gets the money back."""
        for one in self.activations.values():
            if one["state"] == "waiting" and self.now() >= one["ends"]:
                self.pay_back(one)

    def pay_back(self, one: dict[str, Any]) -> None:
        one["state"] = "cancelled"
        self.knobs["balance"] += one["cost"]


def told(word: str, *rest: object) -> str:
    return ":".join([word, *map(str, rest)])


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    books = Books()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.serve("")

    def do_POST(self) -> None:
        self.serve(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())

    def serve(self, form: str) -> None:
        url = urlsplit(self.path)
        if url.path == "/control":
            self.reply(200, json.dumps(self.control(form)))
            return
        asked = {
            name.strip(): value
            for name, value in parse_qsl(url.query) + parse_qsl(form if "=" in form else "")
        }
        action = asked.get("action", "")
        with self.books.lock:
            self.books.asked[action] = self.books.asked.get(action, 0) + 1
            how = self.books.fault(action)
            answer = "" if how.endswith("_before") else self.answer(action, asked, how)
        self.fail(how) if how.removesuffix("_before") in AFTER else None
        if how.removesuffix("_before") in ("", "slow", "duplicate"):
            self.reply(self.status_of(answer), answer)

    def status_of(self, answer: str) -> int:
        if answer == "204" or not answer.startswith('{"title"'):
            return 204 if answer == "204" else 200
        word = json.loads(answer)["title"]
        return {"NO_BALANCE": 402, "NO_ACTIVATION": 404, "BAD_STATUS": 400}.get(word, 409)

    def fail(self, how: str) -> None:
        match how.removesuffix("_before"):
            case "cut":
                self.close_connection = True
                self.connection.shutdown(2)
            case "500":
                self.reply(500, "<h1>Internal Server Error</h1>")
            case "html":
                self.reply(200, "<!doctype html><title>Just a moment</title>")
            case "hang":
                time.sleep(self.books.knobs["hang_s"])
                self.close_connection = True
            case "slow":
                time.sleep(self.books.knobs["slow_s"])

    def reply(self, status: int, text: str) -> None:
        body = b"" if status == 204 else text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # The test's own door.

    def control(self, form: str) -> dict[str, Any]:
        wanted = json.loads(form or "{}")
        with self.books.lock:
            self.books.knobs |= wanted.get("set", {})
            self.books.faults += wanted.get("faults", [])
            if sms := wanted.get("sms"):
                one = self.books.activations[sms["id"]]
                one["sms"].append([sms["code"], sms.get("text", "")])
                one["state"] = "received"
            for one in wanted.get("plant", []):  # somebody else's, or older
                self.books.activations[one["id"]] = {"sms": [], "state": "waiting", "ends": 9e12, "begun": self.books.now(), "cost": 0.5, "order": "", **one}  # fmt: skip
            self.books.run_out()
            return {
                "activations": self.books.activations,
                "asked": self.books.asked,
                "balance": self.books.knobs["balance"],
            }

    # The protocol.

    def answer(self, action: str, asked: dict[str, str], how: str) -> str:
        knobs = self.books.knobs
        if "api_key" not in asked:
            return "NO_KEY"
        if asked["api_key"] != knobs["key"]:
            return "BAD_KEY"
        self.books.run_out()
        known = {
            "getBalance": lambda: told("ACCESS_BALANCE", f"{knobs['balance']:.2f}"),
            "getPrices": self.prices,
            "getNumber": lambda: self.sell(asked, how, old=True),
            "getNumberV2": lambda: self.sell(asked, how, old=False),
            "setStatus": lambda: self.set_status(asked),
            "getStatus": lambda: self.status(asked),
            "getFullSms": lambda: self.full(asked),
            "getStatusV2": lambda: self.status_v2(asked),
            "getActiveActivations": lambda: self.active(asked),
        }
        lacks = {"getNumberV2", "getFullSms", "getStatusV2"} if knobs["dialect"] == "v1" else set()
        if action in knobs["says"]:
            return str(knobs["says"][action])
        if action not in known or action in lacks:
            return "BAD_ACTION"
        return known[action]()

    def prices(self) -> str:
        raw = self.books.knobs["raw"]
        return json.dumps(self.books.knobs["prices"]) if raw is None else str(raw)

    def error(self, word: str) -> str:
        if self.books.knobs["dialect"] == "hero" and not word.startswith("NO_NUMBERS"):
            return json.dumps({"title": word, "details": "See the manual.", "info": {}})
        return word

    def sell(self, asked: dict[str, str], how: str, *, old: bool) -> str:
        books, order = self.books, asked.get("orderId", "")
        for one in books.activations.values():
            if order and one["order"] == order and books.knobs["honours"]:
                return self.sold(one, old)
        if how == "duplicate" and books.activations:
            return self.sold(list(books.activations.values())[-1], old)
        leaf = books.knobs["prices"].get(asked.get("country", "0"), {}).get(asked["service"])
        if leaf is None or leaf.get("physicalCount", leaf["count"]) <= 0:
            return self.error("NO_NUMBERS")
        if (
            "maxPrice" in asked
            and float(asked["maxPrice"]) < leaf["cost"]
            and not books.knobs["ignores_max_price"]
        ):
            return self.error(told("WRONG_MAX_PRICE", leaf["cost"]))
        if books.knobs["balance"] < leaf["cost"]:
            return self.error("NO_BALANCE")
        leaf["count"] -= 1
        books.knobs["balance"] -= leaf["cost"]
        number = f"{635468000 + len(books.activations)}"
        phone = PHONES[asked["country"]] + f"{len(books.activations):05d}"
        one = {
            "id": number,
            "phone": "0" + phone[2:] if books.knobs["national"] else phone,
            "service": asked["service"],
            "country": asked["country"],
            "cost": leaf["cost"],
            "begun": books.now(),
            "ends": books.now() + books.knobs["lasts_s"],
            "state": "waiting",
            "sms": [],
            "order": order,
        }
        books.activations[number] = one
        return self.sold(one, old)

    def sold(self, one: dict[str, Any], old: bool) -> str:
        if old:
            return told("ACCESS_NUMBER", one["id"], one["phone"])
        return json.dumps(
            {
                "activationId": one["id"],
                "phoneNumber": one["phone"],
                "activationCost": one["cost"],
                "currency": 840,
                "countryCode": one["country"],
                "countryPhoneCode": 44,
                "canGetAnotherSms": "1",
                "activationTime": self.books.stamp(one["begun"]),
                "activationEndTime": self.books.stamp(one["ends"]),
                "activationOperator": "any",
            }
        )

    def one(self, asked: dict[str, str]) -> dict[str, Any] | None:
        return self.books.activations.get(asked.get("id", ""))

    def set_status(self, asked: dict[str, str]) -> str:
        one, status, knobs = self.one(asked), asked.get("status"), self.books.knobs
        if one is None:
            return self.error("NO_ACTIVATION")
        if status not in ("1", "3", "6", "8", "-1"):
            return self.error("BAD_STATUS")
        if one["state"] in ("cancelled", "finished"):
            return self.error("BAD_STATUS" if knobs["dialect"] == "v1" else "ACTIVATION_NOT_ACTIVE")
        if status in ("8", "-1"):
            if one["sms"]:
                return self.error("OTP_RECEIVED" if knobs["dialect"] == "hero" else "BAD_STATUS")
            if self.books.now() < one["begun"] + knobs["cancel_after_s"]:
                return self.error("EARLY_CANCEL_DENIED")
            self.books.pay_back(one)
            return "204" if knobs["dialect"] == "hero" else "ACCESS_CANCEL"
        if status in ("3", "6") and not one["sms"]:
            return self.error("BAD_STATUS")
        one["state"] = {"1": one["state"], "3": "again", "6": "finished"}[status]
        return {"1": "ACCESS_READY", "3": "ACCESS_RETRY_GET", "6": "ACCESS_ACTIVATION"}[status]

    def status(self, asked: dict[str, str]) -> str:
        one = self.one(asked)
        if one is None:
            return "NO_ACTIVATION"
        match one["state"]:
            case "waiting":
                return "STATUS_WAIT_CODE"
            case "again":
                return told("STATUS_WAIT_RETRY", one["sms"][-1][0])
            case "cancelled":
                return "STATUS_CANCEL"
        return told("STATUS_OK", one["sms"][-1][0])

    def full(self, asked: dict[str, str]) -> str:
        one = self.one(asked)
        return told("FULL_SMS", one["sms"][-1][1]) if one and one["sms"] else self.status(asked)

    def status_v2(self, asked: dict[str, str]) -> str:
        one = self.one(asked)
        sms = one["sms"][-1] if one and one["sms"] else None
        told = {"dateTime": "", "code": sms[0], "text": sms[1]} if sms else None
        return json.dumps({"verificationType": 0, "sms": told, "call": None})

    def active(self, asked: dict[str, str]) -> str:
        start, limit = int(asked.get("start", 0)), int(asked.get("limit", 100))
        live = [
            one for one in self.books.activations.values() if one["state"] not in ("cancelled", "finished")
        ]
        rows = [
            {
                "activationId": one["id"],
                "serviceCode": one["service"],
                "phoneNumber": one["phone"],
                "activationCost": one["cost"],
                "activationStatus": "4",
                "smsCode": [sms[0] for sms in one["sms"]] or None,
                "activationTime": self.books.stamp(one["begun"]),
                "countryCode": one["country"],
            }
            for one in live[start : start + limit]
        ]
        if not rows and self.books.knobs["dialect"] != "hero":
            return "NO_ACTIVATIONS"
        key = "data" if self.books.knobs["dialect"] == "hero" else "activeActivations"
        return json.dumps({"status": "success", key: rows})


class Threads(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


if __name__ == "__main__":
    Threads(("127.0.0.1", int(sys.argv[1])), Server).serve_forever()
