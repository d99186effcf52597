"""The API, as OpenAPI 3.1 has it: GET /openapi.json."""

from __future__ import annotations

from typing import Any


def _answer(what: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": what, "content": content}


def _object(*optional: str, **properties: Any) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _of_job(method: str, summary: str, status: str, schema: str, **more: Any) -> dict[str, Any]:
    answers = {
        status: _answer(summary, schema),
        "400": REFUSED,
        "403": REFUSED,
        "404": REFUSED,
        "409": REFUSED,
        **({"413": REFUSED} if method == "post" else {"304": SAME}),
    }
    return {"parameters": [ID], method: {"summary": summary, "responses": answers, **more}}


TEXT, NUMBER, LOGICAL = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
COUNTS = {"type": "object", "additionalProperties": NUMBER}
INSTANT = {"type": ["string", "null"], "format": "date-time"}
SAME = {"description": "As it was"}
REFUSED = _answer("Refused; error says why", "Refused")
ID = {
    "name": "id",
    "in": "path",
    "required": True,
    "schema": TEXT,
    "description": "As GET /jobs has it, percent-encoded or as it is: @kb-labs/plugin-template:hello-cron",
}
LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}}
CURSOR = {"name": "cursor", "in": "query", "schema": TEXT, "description": "`next` of the page before"}
DAY = {"name": "day", "in": "query", "schema": {"type": "string", "format": "date"}}
TAG = {"name": "If-None-Match", "in": "header", "schema": TEXT, "description": "An ETag; 304 where nothing changed"}
KEY = {"name": "Idempotency-Key", "in": "header", "schema": TEXT, "description": "The same key starts one run"}
WHY = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Why"}}}}

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Nightshift jobs", "version": "1.0.0"},
    "security": [{"token": []}],
    "paths": {
        "/jobs": {
            "get": {
                "summary": "A page of jobs, by id",
                "parameters": [LIMIT, CURSOR, TAG],
                "responses": {"200": _answer("The page", "Jobs"), "304": SAME, "400": REFUSED, "403": REFUSED},
            }
        },
        "/jobs/stats": {
            "get": {
                "summary": "How many jobs are in which state",
                "parameters": [TAG],
                "responses": {"200": _answer("Sums", "Stats"), "304": SAME, "400": REFUSED, "403": REFUSED},
            }
        },
        "/jobs/{id}/trigger": _of_job("post", "Start a run", "202", "Done", parameters=[KEY]),
        "/jobs/{id}/pause": _of_job("post", "Hold the job back", "200", "Done", requestBody=WHY),
        "/jobs/{id}/resume": _of_job("post", "Let it go on", "200", "Done", requestBody=WHY),
        "/jobs/{id}/runs": _of_job("get", "Its runs of a day", "200", "Runs", parameters=[DAY, LIMIT, CURSOR, TAG]),
    },
    "components": {
        "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Internal-Health"}},
        "schemas": {
            "Job": _object(
                id=TEXT,
                name=TEXT,
                schedule={"type": ["string", "null"]},
                status=TEXT,
                lastRun=INSTANT,
                nextRun=INSTANT,
                runCount=NUMBER,
            ),
            "Jobs": _object(
                jobs={"type": "array", "items": {"$ref": "#/components/schemas/Job"}},
                next={"type": ["string", "null"]},
            ),
            "Stats": _object(jobs=NUMBER, statuses=COUNTS, groups=COUNTS, runs=NUMBER),
            "Runs": _object(
                day={"type": "string", "format": "date"},
                runs={"type": "array", "items": {"$ref": "#/components/schemas/Run"}},
                next={"type": ["string", "null"]},
            ),
            "Run": {"type": "object", "properties": {"run": TEXT, "outcome": TEXT, "ms": NUMBER}, "required": ["run"]},
            "Done": _object("request", ok=LOGICAL, message=TEXT, request=TEXT),
            "Refused": _object("ok", "message", ok=LOGICAL, error=TEXT, message=TEXT),
            "Why": _object("who", "reason", who=TEXT, reason=TEXT),
        },
    },
}
