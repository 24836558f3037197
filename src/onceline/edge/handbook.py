"""The documentation page of /api/v1: the OpenAPI document as plain HTML, nothing loaded from anywhere."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from onceline.edge.problems import DOOR_CODES, STATUS

INTRODUCTION = (
    "Lease a number, get its code, or get the money back. Send your key as `Authorization: Bearer ol_…`. "
    "Placing an order needs an `Idempotency-Key`. Errors are RFC 9457 problems with a stable `code`."
)
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}"
    "code,pre{font:14px ui-monospace,monospace;background:#f3f4f6;border-radius:4px;padding:.1em .3em}"
    "pre{padding:1em;overflow:auto}h2{border-bottom:1px solid #d8dee4}table{border-collapse:collapse}"
    "td,th{border:1px solid #d8dee4;padding:.3em .6em;text-align:left;vertical-align:top}"
    ".m{font-weight:700;text-transform:uppercase;color:#0b5cad}"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}code,pre{background:#161b22}"
    "td,th,h2{border-color:#30363d}.m{color:#6cb6ff}}"
)
_CSP = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

routes = APIRouter(include_in_schema=False)


@routes.get("/api/v1/docs")
async def handbook(request: Request) -> HTMLResponse:
    return HTMLResponse(render(request.app.openapi()), headers={"Content-Security-Policy": _CSP})


@routes.get("/api/v1/problems")
async def problem_page() -> HTMLResponse:
    rows = "".join(
        f'<tr id="{code}"><td><code>{code}</code></td><td>{status}</td></tr>'
        for code, status in sorted({**STATUS, **DOOR_CODES}.items())
    )
    body = f"<h1>Problem codes</h1><table><tr><th>code</th><th>status</th></tr>{rows}</table>"
    return HTMLResponse(_page("Problem codes", body), headers={"Content-Security-Policy": _CSP})


def render(openapi: dict[str, Any]) -> str:
    """The whole document on one page: routes by tag, then the shapes they name."""
    tags: dict[str, list[str]] = {}
    for path, item in openapi["paths"].items():
        for method, operation in item.items():
            tags.setdefault(operation["tags"][0], []).append(_operation(path, method, operation))
    parts = [
        f"<h1>{escape(openapi['info']['title'])} API</h1><p>{escape(openapi['info']['description'])}</p>"
    ]
    parts += [
        '<p>Machine-readable: <a href="/api/v1/openapi.json">openapi.json</a>. The live socket is <code>/api/v1/live</code>.</p>'
    ]
    parts += [f"<h2>{escape(tag)}</h2>{''.join(operations)}" for tag, operations in tags.items()]
    shapes = openapi.get("components", {}).get("schemas", {})
    parts += ["<h2>Shapes</h2>", *(_shape(name, schema) for name, schema in sorted(shapes.items()))]
    return _page(f"{openapi['info']['title']} API", "".join(parts))


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>{body}</html>'
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    text = operation.get("description") or operation.get("summary", "")
    rows = "".join(_parameter(one) for one in operation.get("parameters", []))
    table = (
        f"<table><tr><th>parameter</th><th>in</th><th>type</th><th></th></tr>{rows}</table>" if rows else ""
    )
    content = operation.get("requestBody", {}).get("content", {})
    body = "".join(f"<p>Body: {_type(media['schema'])}</p>" for media in content.values())
    answers = "".join(
        f"<li><code>{escape(status)}</code> {_answer(answer)}</li>"
        for status, answer in operation["responses"].items()
    )
    head = f'<h3><span class="m">{method}</span> <code>{escape(path)}</code></h3>'
    return f"{head}<p>{escape(text)}</p>{table}{body}<ul>{answers}</ul>"


def _parameter(one: dict[str, Any]) -> str:
    text = escape(one.get("description", ""))
    return f"<tr><td><code>{escape(one['name'])}</code></td><td>{one['in']}</td><td>{_type(one['schema'])}</td><td>{text}</td></tr>"


def _answer(answer: dict[str, Any]) -> str:
    media = next(iter(answer.get("content", {}).values()), None)
    return _type(media["schema"]) if media and media.get("schema") else escape(answer["description"])


def _shape(name: str, schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code>{'' if field in required else ' ?'}</td><td>{_type(one)}</td>"
        f"<td>{escape(one.get('description', ''))}</td></tr>"
        for field, one in schema.get("properties", {}).items()
    )
    return f'<h3 id="{escape(name)}">{escape(name)}</h3><table>{rows}</table>'


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[1])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " | ".join(
            f"<code>{escape(str(one))}</code>" for one in schema.get("enum", [schema.get("const")])
        )
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(str(schema.get("type", "any")))
