"""Hostile requests to every operation: odd ids, cursors from elsewhere, ended sessions, forged and repeated forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from functions.console._acts.confirmation import ACTS
from shared.dead_letters import store
from shared.http import cursor, openapi
from shared.http.problem import MEDIA_TYPE
from shared.job import registry
from tests.support.console_state import TENANT, BusyNight
from tests.support.http_functions import HttpFunctions, http_functions

DOCUMENT = openapi.of(registry.endpoints())
ODD = (
    *("@", "/", ":", "%", "%2F", "%00", "..", " ", "ü🦊", "x" * 300, "<script>alert(1)</script>", "\u202e'\"\\"),
    *(cursor.encode("jobs", "x"), cursor.encode("runs pricing 2026-03-01", "z")),
)
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def functions() -> Iterator[HttpFunctions]:
    with http_functions() as made:
        yield made


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method != "servers":
                yield path, method.upper(), operation


def filled(path: str, operation: dict[str, Any], odd: str) -> str:
    """The path with the odd text for each of its parameters, and for each of the query."""
    query = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
    url = re.sub(r"\{\w+\}", lambda _: quote(odd, safe=""), path)
    return f"{url}?{urlencode(dict.fromkeys(query, odd))}" if query else url


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_an_odd_id_is_answered_as_documented(functions: HttpFunctions, odd: str) -> None:
    for path, method, operation in operations():
        function = operation["tags"][0]
        answer = functions.call(function, method, filled(path, operation, odd))
        status, text = answer["statusCode"], answer.get("body") or ""
        # An id with a slash or a dot may be the path of another operation.
        assert str(status) in {*operation["responses"], "404", "405"}, (method, path)
        assert status < 500
        assert "<script>alert" not in text or "json" in str(answer["headers"]), (method, path)
        if status >= 400 and {"token": []} in operation["security"]:
            assert answer["headers"]["Content-Type"] == MEDIA_TYPE


def test_no_operation_works_without_its_token_or_session(functions: HttpFunctions) -> None:
    cookie, functions.operator.cookie = functions.operator.cookie, "__Host-session=operator.e30.x"
    before = len(functions.started)
    try:
        for path, method, operation in operations():
            url, function = filled(path, operation, "pricing"), operation["tags"][0]
            answer = functions.call(function, method, url, {"X-Internal-Health": ""})
            status = answer["statusCode"]
            if {"token": []} in operation["security"]:
                assert status == 403
            elif {"session": []} in operation["security"]:
                assert status == (401 if method == "POST" else 303)
                assert not answer["body"] or "pricing" not in answer["body"]
            assert status < 500
    finally:
        functions.operator.cookie = cookie
    assert len(functions.started) == before


def test_a_form_of_another_site_is_refused_by_every_act(functions: HttpFunctions) -> None:
    before = len(functions.started)
    for path, method, operation in operations():
        if method == "POST" and path.startswith("/ui/"):
            for forged in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
                answer = functions.call(operation["tags"][0], method, path, {**FORM, **forged}, b"job=pricing")
                assert answer["statusCode"] == 403
    assert len(functions.started) == before


def parameters(functions: HttpFunctions) -> dict[str, dict[str, str]]:
    """Parameters with which each act is possible, on rows of their own."""
    night = BusyNight(functions.cloud)
    letters = [night.letter(job, "SampleCrash: of a hostile test", 80) for job in ("crash", "pricing")]
    night.uncertain("notification-delivery", "hostile:1")
    return {
        "pause": {"job": "pricing"},
        "resume": {"job": "docs"},
        "pause-tenant": {"tenant": "org_hostile"},
        "resume-tenant": {"tenant": "org_hostile"},
        "run": {"job": "pricing"},
        "apply": {"plan": night.plan("session-cleanup").id},
        "retry": {"id": letters[0]},
        "retry-group": {"group": _group_of(night)},
        "purge": {"job": "crash", "tenant": TENANT},
        "pause-jobs": {"chosen": "auth"},
        "resume-jobs": {"chosen": "auth"},
        "run-jobs": {"chosen": "auth"},
        "retry-letters": {"chosen": letters[1]},
        "settle": {"job": "notification-delivery", "key": "hostile:1", "verdict": "redo"},
    }


def _group_of(night: BusyNight) -> str:
    (group, *_) = store.group_by_fingerprint(store.dead_letters(night.cloud, store.DeadLetterFilter(job="crash")))
    return group.fingerprint


def test_an_act_is_performed_once_and_never_after_a_change(functions: HttpFunctions) -> None:
    """Every act: a form that is sent twice acts once; a form of another act or of an old preview acts never."""
    operator, given = functions.operator, parameters(functions)
    assert given.keys() == ACTS.keys()
    sealed: dict[str, str] = {}
    for act in ACTS:
        preview = operator.preview(act, **given[act])
        if preview.status == 409:
            # A purge of a tenant without dead letters of this job.
            assert act == "purge"
            preview = operator.preview(act, job="usage")
        assert preview.status == 200, (act, preview.text[-600:])
        sealed[act] = preview.hidden("frozen")
        other = next(name for name in ACTS if name != act)
        assert operator.post(f"/ui/act/{other}", {"frozen": sealed[act], "why": "x"}).status == 409
        assert operator.post(f"/ui/act/{act}", {"frozen": sealed[act][:-2] + "xx", "why": "x"}).status == 409
        count = re.search(r"Type (\d+) to confirm", preview.text)
        form = {"frozen": sealed[act], "why": "a test", **({"count": count[1]} if count else {})}
        first = operator.post(f"/ui/act/{act}", form)
        assert first.status == 200, (act, first.text[-600:])
        started = len(functions.started)
        second = operator.post(f"/ui/act/{act}", form)
        assert (second.status, len(functions.started)) == (200, started)
        assert "Carried out already" in second.text
    functions.clock.move(hours=2)
    assert operator.sign_in("open sesame").status == 303
    started = len(functions.started)
    for act in ACTS:
        # The record of the form has expired with the preview; its acts are not repeated.
        assert operator.post(f"/ui/act/{act}", {"frozen": sealed[act], "why": "x", "count": "1"}).status in (200, 409)
    assert len(functions.started) == started
