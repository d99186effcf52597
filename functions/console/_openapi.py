"""The OpenAPI 3.1 document of the console, made from its routes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from functions.console._models import ActionDone, ActionRefused

if TYPE_CHECKING:
    from pydantic import BaseModel

    from shared.http.function_url import FunctionUrlResolver

Responses = dict[int, Any]
TITLE, VERSION = "Nightshift jobs", "1.0.0"
# Without `content` Powertools documents the model for it; it is removed again.
NOT_MODIFIED = {"description": "Not modified", "content": {}}
# Powertools documents 422 for invalid input, with these schemas; we answer 400.
UNUSED_SCHEMAS = ("HTTPValidationError", "ValidationError", "ResponseValidationError")


def view(model: type[BaseModel], *, of_job: bool = False) -> Responses:
    """Document the answers to a GET: model, 304, and refusals."""
    refusals = (400, 403, 404) if of_job else (400, 403)
    return {200: _answer("OK", model), 304: NOT_MODIFIED, **_refusals(*refusals)}


def action(status: int) -> Responses:
    """Document the answers to an action on a job."""
    return {status: _answer("Done", ActionDone), **_refusals(400, 403, 404, 409, 413)}


def document(app: FunctionUrlResolver) -> dict[str, Any]:
    """Make the document, without answers that are never given."""
    # Imported here: no other request needs the models of OpenAPI.
    from aws_lambda_powertools.event_handler.openapi.models import APIKey

    token = APIKey.model_validate({"type": "apiKey", "name": "X-Internal-Health", "in": "header"})
    text = app.get_openapi_json_schema(
        title=TITLE, version=VERSION, security_schemes={"token": token}, security=[{"token": []}]
    )
    written: dict[str, Any] = json.loads(text)
    for operation in (operation for path in written["paths"].values() for operation in path.values()):
        operation["responses"].pop("422", None)
        operation["responses"].get("304", {}).pop("content", None)
    for name in UNUSED_SCHEMAS:
        written["components"]["schemas"].pop(name, None)
    return written


def _answer(description: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"model": model}}}


def _refusals(*statuses: int) -> Responses:
    return {status: _answer("Refused; `error` states the reason", ActionRefused) for status in statuses}
