"""Runs in an environment with two public clients of handler_api: JSON cases on standard input, their results on standard output."""

import asyncio
import json
import sys

from herosms import HeroSMSClient
from smsactivate.api import SMSActivateAPI


def classic(case):
    client = SMSActivateAPI(case["key"])
    client._SMSActivateAPI__api_url = case["url"]  # the only way to point it elsewhere
    return getattr(client, case["call"])(**case["arguments"])


async def hero(case):
    async with HeroSMSClient(case["key"], base_url=case["url"]) as client:
        match case["call"]:
            case "balance":
                return float((await client.get_balance()).amount)
            case "prices":
                found = await client.get_prices()
                return {
                    country: {code: one.cost for code, one in rows.items()} for country, rows in found.items()
                }
            case "create":
                made = await client.activations.create(**case["arguments"])
                return [made.activation_id, made.phone]
            case "active":
                return [one.activation_id for one in await client.activations.list_active()]
            case "status":
                return await client.get_status_v1(**case["arguments"])


def say(case):
    try:
        return asyncio.run(hero(case)) if case["client"] == "hero" else classic(case)
    except Exception as fault:
        return {"fault": type(fault).__name__, "words": str(fault)[:300]}


json.dump([say(case) for case in json.load(sys.stdin)], sys.stdout, default=str)
