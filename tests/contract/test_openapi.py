"""The OpenAPI document has every route of every Function URL, page and act, and each refusal is a problem document."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from functions.console._acts.confirmation import ACTS
from functions.console._page_paths import PAGE_PATHS
from functions.console._request import PageError, Request
from functions.console._routes import PAGES
from functions.console._session import Session
from functions.console._view import View
from shared.aws.cloud import Cloud
from shared.http import openapi
from shared.http.function_url import FunctionUrlResolver
from shared.http.problem import MEDIA_TYPE, Problem, ProblemType
from shared.job import manifest, registry
from tests.conftest import VirtualClock
from tests.support.console_site import event_of
from tests.support.console_state import BusyNight

DOCUMENT = openapi.of(registry.endpoints())


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method != "servers":
                yield path, method, operation


def apps() -> dict[str, FunctionUrlResolver]:
    return {name: importlib.import_module(f"functions.{name}.handler").APP for name in registry.endpoints()}


def test_the_document_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))


def test_every_route_of_every_function_is_documented() -> None:
    documented = {(path, method.upper()) for path, method, _ in operations()}
    for name, app in apps().items():
        routes = [*app._static_routes, *app._dynamic_routes]
        assert routes, name
        for route in routes:
            assert (openapi._unescaped(route.openapi_path), str(route.method)) in documented
        assert {(openapi.documented_path(rule), method) for rule, method in app.problems} <= documented
        assert sum(map(len, app.methods.values())) == len(routes) == len(app.problems)


def test_every_page_and_act_is_documented() -> None:
    assert PAGE_PATHS.keys() == PAGES.keys()
    for act in ACTS:
        for kind in ("preview", "act"):
            assert "post" in DOCUMENT["paths"][f"/ui/{kind}/{act}"]


def test_a_page_reads_no_query_parameter_that_is_not_documented(
    cloud: Cloud, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    BusyNight(cloud).write()
    read: list[str] = []
    original = View.parameter

    def parameter(view: View, name: str) -> str:
        read.append(name)
        return original(view, name)

    monkeypatch.setattr(View, "parameter", parameter)
    session = Session("operator", "ada", clock.now(), clock.now())
    for place, pages in PAGE_PATHS.items():
        if place == "queues":
            # It measures queues of SQS, and reads no parameter.
            continue
        for page in pages:
            read.clear()
            rest = tuple(part.replace("{job}", "pricing").strip("{}") for part in page.path.split("/")[1:])
            request = Request.of(event_of("GET", f"/ui/{page.path}", {}))
            # An id of no row is answered by 404, after the parameters were read.
            with suppress(PageError):
                PAGES[place](View(cloud, manifest.load(), session, request, rest))
            # One function reads the parameters of all paths of its place.
            assert set(read) <= {name for each in pages for name in each.query}, page


def test_a_refusal_of_the_api_is_a_problem_document() -> None:
    for path, method, operation in operations():
        if {"token": []} not in operation["security"]:
            # Pages, and the links in mails, are read by people.
            continue
        refusals = {status: each for status, each in operation["responses"].items() if int(status) >= 400}
        assert "403" in refusals, (path, method)
        assert all(list(each["content"]) == [MEDIA_TYPE] for each in refusals.values())


def test_problem_types_of_one_name_are_the_same() -> None:
    kinds: dict[str, ProblemType] = {}
    for app in apps().values():
        for kind in (kind for each in app.problems.values() for kind in each):
            assert kinds.setdefault(kind.name, kind) == kind
            body = Problem(kind, "what is wrong").body()
            assert (body["status"], body["detail"], body["error"]) == (kind.status, "what is wrong", "what is wrong")
            assert kind.title
            assert kind.action.endswith(".")
