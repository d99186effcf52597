"""The API, as OpenAPI 3.1 has it: GET /openapi.json."""

from __future__ import annotations

from typing import Any


def _answer(what: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": what, "content": content}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _of_job(method: str, summary: str, status: str, schema: str, **more: Any) -> dict[str, Any]:
    answers = {
        status: _answer(summary, schema),
        "400": REFUSED,
        "403": REFUSED,
        "404": REFUSED,
        "409": REFUSED,
    }
    return {"parameters": [ID], method: {"summary": summary, "responses": answers, **more}}


TEXT, NUMBER, LOGICAL = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
INSTANT = {"type": ["string", "null"], "format": "date-time"}
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
                "responses": {"200": _answer("The page", "Jobs"), "304": {"description": "As it was"}, "403": REFUSED},
            }
        },
        "/jobs/stats": {
            "get": {
                "summary": "How many jobs are in which state",
                "parameters": [TAG],
                "responses": {"200": _answer("Sums", "Stats"), "304": {"description": "As it was"}, "403": REFUSED},
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
            "Stats": _object(jobs=NUMBER, statuses={"type": "object"}, groups={"type": "object"}, runs=NUMBER),
            "Runs": _object(
                day=TEXT, runs={"type": "array", "items": {"type": "object"}}, next={"type": ["string", "null"]}
            ),
            "Done": _object(ok=LOGICAL, message=TEXT, request=TEXT),
            "Refused": _object(ok=LOGICAL, error=TEXT, message=TEXT),
            "Why": _object(who=TEXT, reason=TEXT),
        },
    },
}
