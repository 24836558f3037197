"""The first steps as programs, each text written here once: order a test number, send it an SMS, read the code.

The test suite runs them against a real edge. `base` is where this installation is reached, `key` a test key or what stands
for one.
"""

from __future__ import annotations

from string import Template
from typing import NamedTuple


class Example(NamedTuple):
    language: str
    text: str


_CURL = Template(
    """\
BASE=$base/api/v1
KEY=$key

# 1. Order a test number. The answer has its id and number.
curl -s -X POST $$BASE/orders -H "Authorization: Bearer $$KEY" -H "Idempotency-Key: $$(date +%s)" \\
  -H "Content-Type: application/json" -d '{"service": "telegram", "country": "GB"}' | tee order.json
ORDER=$$(sed -E 's/^\\{"id": ?([0-9]+).*/\\1/' order.json)
NUMBER=$$(sed -E 's/.*"number": ?"([^"]+)".*/\\1/' order.json)

# 2. Send it an SMS yourself. Only test numbers can do this.
curl -s -X POST $$BASE/test/messages -H "Authorization: Bearer $$KEY" \\
  -H "Content-Type: application/json" \\
  -d "{\\"number\\": \\"$$NUMBER\\", \\"sender\\": \\"Telegram\\", \\"text\\": \\"Telegram code: 48291\\"}"

# 3. Wait for the code, a minute at most.
curl -s "$$BASE/orders/$$ORDER?wait=60" -H "Authorization: Bearer $$KEY"
"""
)
_PYTHON = Template(
    """\
import uuid

import httpx

api = httpx.Client(
    base_url="$base/api/v1",
    headers={"Authorization": "Bearer $key"},
    timeout=70,
)

# 1. Order a test number.
answer = api.post(
    "/orders",
    headers={"Idempotency-Key": str(uuid.uuid4())},
    json={"service": "telegram", "country": "GB"},
)
order = answer.raise_for_status().json()
print("number:", order["number"])

# 2. Send it an SMS yourself. Only test numbers can do this.
sms = {"number": order["number"], "sender": "Telegram", "text": "Telegram code: 48291"}
api.post("/test/messages", json=sms).raise_for_status()

# 3. Wait for the code, a minute at most.
answer = api.get(f"/orders/{order['id']}", params={"wait": 60})
print("code:", answer.raise_for_status().json()["code"])
"""
)
_JAVASCRIPT = Template(
    """\
const base = "$base/api/v1";
const headers = { Authorization: "Bearer $key", "Content-Type": "application/json" };

async function call(method, path, body, more = {}) {
  const sent = { method, headers: { ...headers, ...more }, body: body && JSON.stringify(body) };
  const answer = await fetch(base + path, sent);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

// 1. Order a test number.
const wanted = { service: "telegram", country: "GB" };
const order = await call("POST", "/orders", wanted, { "Idempotency-Key": crypto.randomUUID() });
console.log("number:", order.number);

// 2. Send it an SMS yourself. Only test numbers can do this.
const sms = { number: order.number, sender: "Telegram", text: "Telegram code: 48291" };
await call("POST", "/test/messages", sms);

// 3. Wait for the code, a minute at most.
const done = await call("GET", "/orders/" + order.id + "?wait=60");
console.log("code:", done.code);
"""
)


def first_steps(base: str, key: str) -> list[Example]:
    texts = (("curl", _CURL), ("Python", _PYTHON), ("JavaScript", _JAVASCRIPT))
    return [Example(language, text.substitute(base=base, key=key)) for language, text in texts]
