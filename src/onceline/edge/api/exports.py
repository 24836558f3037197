"""Exports: ask for a file, see how far it is, fetch it with the key or by a link without one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Response
from fastapi.responses import JSONResponse

from onceline.core.clock import rfc3339
from onceline.core.db import Transaction
from onceline.core.exports import commands, model, store
from onceline.core.exports.model import Export, Request
from onceline.edge import shapes
from onceline.edge.api import router
from onceline.edge.api.paging import Cursor, Limit, read_cursor, write_cursor
from onceline.edge.auth import ExportsManage
from onceline.edge.downloads import Download
from onceline.edge.house import AnyHouse, House

routes = router("exports")
ExportId = Annotated[str, Path(pattern=r"^exp_[a-z2-7]{16}$")]
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["schema", "as_of"],
                    "properties": {"schema": {"type": "string"}, "as_of": {"type": "string"}},
                    "additionalProperties": {"type": "array", "items": {"type": "object"}},
                }
            },
        },
    }
}


@routes.post("/exports", status_code=202, response_model=shapes.Export)
async def ask_export(house: AnyHouse, grant: ExportsManage, wanted: shapes.AskExport) -> Response:
    """Have a file made. It holds what there is now, and is made as fast as it disturbs nobody."""
    since, until = model.parse_instant(wanted.since), model.parse_instant(wanted.until)
    request, now = Request(wanted.kind, wanted.format, since, until), house.clock.now()
    export = await house.commands.run(lambda tx: commands.ask(tx, grant, request, now))
    return JSONResponse(_view(house, export), 202)


@routes.get("/exports", response_model=shapes.Exports)
async def list_exports(
    house: AnyHouse, grant: ExportsManage, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Newest first."""
    place = read_cursor(cursor, str)
    before = str(place[0]) if place else None
    page = await house.commands.run(lambda tx: store.listed(tx, grant.side, before=before, limit=limit))
    views = [_view(house, export) for export in page.rows]
    return JSONResponse({"exports": views, "next": write_cursor(page.next) if page.next else None})


@routes.get("/exports/{export_id}", response_model=shapes.Export)
async def read_export(house: AnyHouse, grant: ExportsManage, export_id: ExportId) -> Response:
    """One export, with how far it is."""
    export = await house.commands.run_statement(lambda tx: store.export(tx, export_id, grant.side))
    return JSONResponse(_view(house, export))


@routes.delete("/exports/{export_id}", status_code=204)
async def delete_export(house: AnyHouse, grant: ExportsManage, export_id: ExportId) -> Response:
    """Gone at once, with its links; one that is being made is stopped."""
    await house.commands.run(lambda tx: commands.delete(tx, grant, export_id))
    return Response(status_code=204)


@routes.post("/exports/{export_id}/links", status_code=201, response_model=shapes.DownloadLink)
async def make_link(
    house: AnyHouse, grant: ExportsManage, export_id: ExportId, wanted: shapes.MakeLink
) -> Response:
    """A link that fetches the file without a key, until it ends or this key does."""

    def make(tx: Transaction) -> dict[str, str]:
        text, end = commands.make_link(tx, house.context, grant, export_id, wanted.expires_in_s)
        return {"url": f"/api/v1/downloads/{text}", "expires_at": rfc3339(end)}

    return JSONResponse(await house.commands.run_statement(make), 201)


@routes.get("/exports/{export_id}/file", response_class=Response, responses=_FILE)
async def fetch_file(house: AnyHouse, grant: ExportsManage, export_id: ExportId) -> Response:
    """The file itself."""
    export = await house.commands.run_statement(
        lambda tx: commands.fetchable(tx, house.context, grant, export_id)
    )
    return Download(house.downloads, house.commands, house.context, export, grant.id)


@routes.get("/downloads/{token}", include_in_schema=False)
async def follow_link(house: AnyHouse, token: str) -> Response:
    """The file of a link. Whatever is wrong with the link, the refusal is the same."""
    export, grant = await house.commands.run_statement(lambda tx: commands.follow(tx, house.context, token))
    return Download(house.downloads, house.commands, house.context, export, grant)


def _view(house: House, export: Export) -> dict[str, Any]:
    return {
        "id": export.id,
        "kind": export.kind,
        "format": export.format,
        "from": rfc3339(export.since) if export.since else None,
        "until": rfc3339(export.until) if export.until else None,
        "state": model.state_at(export, house.clock.now()),
        "reason": export.reason,
        "rows_done": export.rows_done,
        "rows_total": export.rows_total,
        "bytes": export.bytes,
        "file_name": export.file_name,
        "created_at": rfc3339(export.as_of),
        "finished_at": rfc3339(export.finished_at) if export.finished_at else None,
        "expires_at": rfc3339(export.expires_at) if export.expires_at else None,
    }
