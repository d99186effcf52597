"""OpenAPI path items of the pages: forms, sign-in and files included."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from functions.console._acts.confirmation import ACTS
from functions.console._page_paths import PAGE_PATHS, PagePath
from functions.console._view import UI

HTML = "text/html"
FORM = "application/x-www-form-urlencoded"
SESSION = [{"session": list[str]()}]
OPEN = list[dict[str, list[str]]]()
#: Descriptions of the statuses of pages.
MEANINGS = {
    200: "The page; the content alone with the header HX-Request",
    303: "See the header Location; the sign-in without a session",
    304: "Not modified; only for a poll: headers X-Poll and If-None-Match",
    400: "The address or the form is invalid",
    401: "The session has ended",
    403: "Forbidden: wrong token, a viewer, or a form of another site",
    404: "There is no such page, or what it showed is gone",
    409: "Not done: the act is impossible, or something has changed since the preview, which is shown anew",
    413: "The form is too large",
    422: "Not done: the reason or the typed count is missing",
    429: "Too many failed sign-ins from this address",
}
OF_PAGE = (200, 303, 304, 400, 401, 404)
OF_FORM = (200, 400, 401, 403, 404, 409, 413)
#: Fields of a confirmation besides the sealed preview.
CONFIRMATION = ("frozen", "why", "until", "count", "back")

Document = dict[str, Any]


def paths() -> Document:
    """Path items of all that the console serves besides its API."""
    return {
        "/": {"get": _read("go_to_the_first_page", "Go to the first page", "/", (303,), security=OPEN)},
        UI: {"get": _read("go_to_now", "Go to the first page", UI, (303,), security=OPEN)},
        **{f"{UI}/{page.path}": {"get": _page(page)} for pages in PAGE_PATHS.values() for page in pages},
        **{f"{UI}/preview/{name}": {"post": _preview(name)} for name in ACTS},
        **{f"{UI}/act/{name}": {"post": _act(name)} for name in ACTS},
        f"{UI}/login": {
            "get": _read("sign_in_form", "Show the sign-in", f"{UI}/login", (200, 400), ("to",), OPEN),
            "post": _form("sign_in", "Sign in by a token", ("token", "name", "to"), (303, 400, 403, 413, 429), OPEN),
        },
        f"{UI}/login/link": {
            "get": _read(
                "sign_in_by_link", "Sign in by a link that works once", "", (303, 400, 403, 429), ("t", "to"), OPEN
            )
        },
        f"{UI}/logout": {"post": _form("sign_out", "Sign out", (), (303, 400, 403, 413), OPEN)},
        "/a/{hash}/{file}": {"get": _file()},
    }


def _page(page: PagePath) -> Document:
    name = re.sub(r"\W+", "_", page.path).strip("_")
    return _read(f"page_{name}", page.summary, page.path, OF_PAGE, page.query)


def _preview(act: str) -> Document:
    fields = (*ACTS[act].parameters, "back")
    return _form(f"preview_{_name(act)}", f"Preview: {act}", fields, OF_FORM)


def _act(act: str) -> Document:
    return _form(f"act_{_name(act)}", f"Perform as previewed: {act}", CONFIRMATION, (*OF_FORM, 422))


def _name(act: str) -> str:
    return act.replace("-", "_")


def _file() -> Document:
    operation = _read("file", "A style or script, by the hash of its content", "/a/{hash}/{file}", (200, 404), (), OPEN)
    kinds = ("text/css", "text/javascript")
    served = {"description": "The file", "content": {kind: {"schema": {"type": "string"}} for kind in kinds}}
    return {**operation, "responses": {**operation["responses"], "200": served}}


def _read(
    name: str,
    summary: str,
    path: str,
    statuses: Iterable[int],
    query: Iterable[str] = (),
    security: list[dict[str, list[str]]] = SESSION,
) -> Document:
    parameters = [_parameter(part, "path") for part in re.findall(r"\{(\w+)\}", path)]
    parameters += [_parameter(each, "query") for each in query]
    return _operation(name, summary, statuses, security) | ({"parameters": parameters} if parameters else {})


def _form(
    name: str,
    summary: str,
    fields: Iterable[str],
    statuses: Iterable[int],
    security: list[dict[str, list[str]]] = SESSION,
) -> Document:
    schema = {"type": "object", "properties": {field: {"type": "string"} for field in fields}}
    return _operation(name, summary, statuses, security) | {"requestBody": {"content": {FORM: {"schema": schema}}}}


def _operation(name: str, summary: str, statuses: Iterable[int], security: list[dict[str, list[str]]]) -> Document:
    responses = {str(status): _response(status) for status in statuses}
    return {"operationId": name, "summary": summary, "security": security, "responses": responses}


def _response(status: int) -> Document:
    described = {"description": MEANINGS[status]}
    # Redirects and 304 have no body, and 401 to a fragment has none.
    return described if status in (303, 304) else {**described, "content": {HTML: {"schema": {"type": "string"}}}}


def _parameter(name: str, where: str) -> Document:
    return {"name": name, "in": where, "required": where == "path", "schema": {"type": "string"}}
