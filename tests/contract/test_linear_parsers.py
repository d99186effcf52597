"""Each parser of outside text takes 1 MiB of anything in linear time.

A regular expression that backtracks holds the interpreter's lock: one page or message stops every thread of a run, and
its time limits. A module that parses text is listed here, with its parser or with the reason why it needs no test.
"""

from __future__ import annotations

import ast
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_house_rules import ROOT

MIB = 1024 * 1024
# CPU seconds for 1 MiB, and the factor over 64 KiB, of which it is sixteen times the size.
SECONDS, FACTOR = 1.0, 20
# Below this, a factor measures noise.
MEASURABLE = 0.5
# 64 KiB in this time are 1 MiB in less than 0.3 s, even by a quadratic parser.
NOTHING = 0.001

SEEDS = {
    "digits": "1",
    "numbers": "123 ",
    "letters": "a",
    "letters and digits": "a1",
    "spaces": " ",
    "line ends": "\r\n",
    "commas": "1,",
    "dots": "a.",
    "hyphens": "a-",
    "prices": "1 USD x",
    "tags": "<div>",
    "fieldsets": "<fieldset><input name=a>",
    "broken tags": "<a x='",
    "comments": "<!--",
    "references": "&#",
    "brackets": "[",
    "objects": '{"a":',
    "quotes": '"',
    "escapes": "\\",
    "slashes": "a/",
    "colons": "x-name: value\n",
    "addresses": "a@b.c,",
    "parentheses": "(",
    "percents": "%41",
    "events": "data: {}\n",
    "surrogates": "\ud800",
    "combining characters": "e\u0301\u0323",
    "other digits": "\u0663",
    "nulls": "\0",
    "secrets": "password=",
    "base64": "QUFB",
    "commands": "curl -u a:b ",
}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _page(text: str) -> None:
    from functions.sites._page import HtmlPage

    page = HtmlPage(text, "https://a.example/")
    assert page.sign_in is None or page.text is not None


def _form(text: str) -> None:
    from functions.sites._form import Control, form_of

    form_of({"action": text}, [Control("text", name=text), Control("password", name="p")]).encode(
        [("a", text)], "utf-8"
    )


def _prices(text: str) -> None:
    from functions.sites._prices import prices

    prices(text, 10)


def _pricing(text: str) -> None:
    from functions.sites.pricing import Pricing
    from shared.http.client import HttpResponse

    Pricing().judge(HttpResponse(200, {}, text, 1, "https://a.example/"))


def _charset(text: str) -> None:
    from shared.http.charset import decode

    decode(_bytes(text), "text/html")
    decode(b"", f"text/html; charset{text}")


def _cookies(text: str) -> None:
    from shared.http.cookies import CookieJar

    # Longer lines are refused by the connection.
    jar = CookieJar()
    for line in (text[:65_000], f"a=1; Expires={text[:65_000]}"):
        jar.store("https://a.example/", [line])


def _retry_after(text: str) -> None:
    from datetime import UTC, datetime

    from shared.http.client import parse_retry_after

    # Longer lines are refused by the connection.
    parse_retry_after(text[:65_000], datetime(2026, 1, 1, tzinfo=UTC))


def _glob(text: str) -> None:
    from shared.plugins.denied import FsDenied
    from shared.plugins.manifest import globs
    from shared.plugins.manifest.permissions import Permissions

    with contextlib.suppress(FsDenied):
        Permissions(fs_allow=("own/*a*a*a*a*a*ab",)).reads(f"own/{text}")
    globs.matches("own/*a*a*a*a*ab", f"own/{text[: MIB // 4]}")
    globs.compiled.__wrapped__(text[:1024])


def _manifest(text: str) -> None:
    from shared.plugins.manifest.toml_lines import places
    from shared.text.untrusted_toml import parse_toml

    places(text)
    parse_toml(_bytes(text))


def _plugin_url(text: str) -> None:
    from shared.plugins.host.net import _parse

    _parse(f"https://a.example/{text}")


def _redaction(text: str) -> None:
    from shared import redaction

    redaction.text(text)


def _fingerprint(text: str) -> None:
    from shared.dead_letters.letter import fingerprint

    fingerprint("job", text)


def _fullmatch(module: str, name: str) -> Callable[[str], object]:
    def match(text: str) -> object:
        import importlib

        return getattr(importlib.import_module(module), name).fullmatch(text)

    return match


def _call(module: str, name: str) -> Callable[[str], object]:
    def parse(text: str) -> object:
        import importlib

        return getattr(importlib.import_module(module), name)(text)

    return parse


def _forwarded(text: str) -> None:
    from functions.mail._forwarded_message import forwarded

    message = b"From: " + _bytes(text) + b"\r\nSubject: x\r\n\r\nbody\r\n"
    forwarded(message, "alias@a.example")


def _facts(text: str) -> None:
    from functions.mail._message_facts import HEAD, facts

    facts((b"From: " + _bytes(text))[:HEAD])
    facts((b"Subject: " + _bytes(text)[:3900] + b"\r\n")[:HEAD])


def _seven_bits(text: str) -> None:
    from shared.mail.seven_bit import in_seven_bits

    in_seven_bits(b"Subject: x\r\n\r\n" + _bytes(text))


def _reply(text: str) -> None:
    from shared.mail.reply import Stage, classify

    classify(next(iter(Stage)), 550, text)


def _answer(text: str) -> None:
    from functions.assessments._answer_text import json_objects

    for _ in json_objects(text):
        pass


def _stream(text: str) -> None:
    from functions.assessments._event_stream import events

    for _ in events([text]):
        pass


def _refused_request(text: str) -> None:
    from functions.assessments._request_parameters import accepted

    accepted({"temperature": 1, "max_tokens": 5}, 400, f'{{"error": {{"message": "{text}"}}}}', set())


def _model(text: str) -> None:
    from functions.assessments import _rubric

    _rubric.read(text, _rubric.RUBRIC)


# Module -> its parser.
PARSERS: dict[str, Callable[[str], Any]] = {
    "functions.accounts._dns": _call("functions.accounts._dns", "_normalized"),
    "functions.accounts._portable_names": _call("functions.accounts._portable_names", "_segment"),
    "functions.assessments._answer_text": _answer,
    "functions.assessments._completion": _call("functions.assessments._completion", "read"),
    "functions.assessments._event_stream": _stream,
    "functions.assessments._request_parameters": _refused_request,
    "functions.assessments._rubric": _model,
    "functions.console._pages.mails": _fullmatch("functions.console._pages.mails", "ID"),
    "functions.console._pages.run": _fullmatch("functions.console._pages.run", "RUN_ID"),
    "functions.console._security": _fullmatch("functions.console._security", "LOOPBACK"),
    "functions.console.handler": _fullmatch("functions.console.handler", "JOB_PATH"),
    "functions.downloads.handler": _fullmatch("functions.downloads.handler", "TICKET"),
    "functions.mail._forwarded_message": _forwarded,
    "functions.mail._message_facts": _facts,
    "functions.sites._form": _form,
    "functions.sites._page": _page,
    "functions.sites._prices": _prices,
    "functions.sites.pricing": _pricing,
    "shared.clock": _fullmatch("shared.clock", "FORM"),
    "shared.dead_letters.letter": _fingerprint,
    "shared.http.charset": _charset,
    "shared.http.client": _retry_after,
    "shared.http.cookies": _cookies,
    "shared.http.sites": _call("shared.http.sites", "host_of"),
    "shared.http.ssrf": _call("shared.http.ssrf", "parse_public_url"),
    "shared.job.cron_field": _call("shared.job.schedule", "parse"),
    "shared.job.duration": _call("shared.job.duration", "parse"),
    "shared.job.schedule": _call("shared.job.schedule", "parse"),
    "shared.job.setting": _call("shared.job.setting", "json_list"),
    "shared.mail.reply": _reply,
    "shared.mail.seven_bit": _seven_bits,
    "shared.messages.payload": _fullmatch("shared.messages.payload", "ID"),
    "shared.observability.artifacts": _fullmatch("shared.ledger.ledger", "POSITION"),
    "shared.plugins.host.net": _plugin_url,
    "shared.plugins.manifest.globs": _glob,
    "shared.text.untrusted_toml": _manifest,
    "shared.plugins.manifest.toml_lines": _manifest,
    "shared.product.export_ticket": _fullmatch("shared.product.export_ticket", "FORM"),
    "shared.redaction.char_runs": _redaction,
    "shared.redaction.commands": _redaction,
    "shared.redaction.labelled": _redaction,
    "shared.redaction.named": _redaction,
    "shared.store.age_index": _fullmatch("shared.store.age_index", "TIMESTAMP"),
    "shared.text.domain_name": _call("shared.text.domain_name", "ascii_domain"),
    "shared.text.mail_address": _call("shared.text.mail_address", "parse_named_address"),
    "shared.text.printable": _call("shared.text.printable", "printable"),
    "shared.text.timestamp": _call("shared.text.timestamp", "parse_timestamp"),
    "shared.text.whole_number": _call("shared.text.whole_number", "parse_whole_number"),
    "shared.text.untrusted_json": _call("shared.text.untrusted_json", "parse_json"),
}
OWN = "reads what this project wrote"
DECLARED = "reads declarations and settings of this project"
JSON = "json.loads is linear, and limits its depth by RecursionError"
# Module that parses text -> why its time is bounded without a test.
OTHERS = {
    "functions.accounts.account_export": OWN,
    "functions.assessments._token_usage": "tests a number of a parsed answer against one class",
    "functions.console._page_openapi": OWN,
    "functions.console._exports": "tests a name of this project against one class",
    "functions.console._pages.dead": JSON,
    "functions.mail._templates": "tests each name of a payload, which is limited to 256 KiB, by one class",
    "functions.operations._dead_letter_source": "tests a sort key of this project against one class",
    "functions.operations._reconcile_window": OWN,
    "functions.queues._drain": "reads the answer of a function of this project",
    "functions.sites._evaluation": JSON,
    "functions.sites.auth": "reads a secret",
    "shared.admin.deployed_template": OWN,
    "shared.admin.redrive": OWN,
    "shared.admin.role_drift": "reads a policy of IAM, which has 10,240 characters at most",
    "shared.archetypes.purge.rules": DECLARED,
    "shared.aws.dynamodb.responses": JSON,
    "shared.aws.service_models": OWN,
    "shared.http.openapi": OWN,
    "shared.mail.folding": "tests a subject of this project by one class",
    "shared.http.connection": "tests a version and a length; lines are limited to 64 KiB",
    "shared.http.function_url": "tests a path, which Lambda limits, against one class per part",
    "shared.http.signed_value": "refuses texts over 4,096 characters first",
    "shared.http.transport": "unfolds header lines, which are limited to 64 KiB",
    "shared.job.budget": DECLARED,
    "shared.job.job_details": OWN,
    "shared.job.manifest": OWN,
    "shared.job.retention": DECLARED,
    "shared.job.retry": DECLARED,
    "shared.job.settings_check": DECLARED,
    "shared.job.validation": DECLARED,
    "shared.ledger.ledger": OWN,
    "shared.mail.smtp": "reads replies, which smtplib limits",
    "shared.messages.claim_check": "tests a key of S3, which has 1,024 bytes at most",
    "shared.messages.envelope": JSON,
    "shared.messages.message": JSON,
    "shared.messages.message_attributes": JSON,
    "shared.messages.tenant": DECLARED,
    "shared.plans.draft": OWN,
    "shared.plans.plan": OWN,
    "shared.plugins.child.context": "runs in the plugin's process",
    "shared.plugins.host.sandbox": JSON,
    "shared.plugins.job": DECLARED,
    "shared.plugins.manifest.manifest": "reads what untrusted_toml has parsed, which has 64 KiB at most",
    "shared.plugins.wire": JSON,
    "shared.product.organization_notification": "tests ids and periods by one class each",
    "shared.run.checkpoint": OWN,
    "shared.run.claim": OWN,
    "shared.run.effect_results": OWN,
    "shared.run.effects": OWN,
    "shared.run.oversized": OWN,
    "shared.run.reconcile": OWN,
    "shared.store.key_range": DECLARED,
    "shared.store.s3_archive": OWN,
}
READERS = {"re", "json", "jsonlib", "tomllib"}
READING = {"compile", "search", "match", "fullmatch", "sub", "findall", "finditer", "split", "loads", "load"}
NAMES = {"parse_json", "HTMLParser", "HeaderParser", "BytesParser", "parsedate_to_datetime", "parseaddr", "parse_qs"}


def _parses_text(source: str) -> bool:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in READERS and node.attr in READING:
                return True
        elif isinstance(node, ast.Name) and node.id in NAMES:
            return True
    return False


def _modules(root: Path) -> Iterator[str]:
    for top in ("shared", "functions"):
        for path in sorted((root / top).rglob("*.py")):
            if _parses_text(path.read_text()):
                yield ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def test_every_module_that_parses_text_is_listed() -> None:
    missing = [module for module in _modules(ROOT) if module not in PARSERS and module not in OTHERS]
    assert missing == [], "add its parser to PARSERS, or the reason why it needs no test to OTHERS"


def test_no_listed_module_has_gone() -> None:
    found = set(_modules(ROOT))
    assert [module for module in OTHERS if module not in found] == []


def _cpu(parser: Callable[[str], object], text: str) -> float:
    started = time.thread_time()
    with contextlib.suppress(ValueError, ArithmeticError, LookupError, Exception):
        parser(text)
    return time.thread_time() - started


def _slow(parser: Callable[[str], object], seeds: Mapping[str, str] = SEEDS) -> dict[str, tuple[float, float]]:
    """Seconds for 64 KiB and 1 MiB, by the seeds that break the law."""
    # The first call imports the parser.
    _cpu(parser, "")
    slow = {}
    for name, seed in seeds.items():
        small = _cpu(parser, (seed * (MIB // 16 // len(seed) + 1))[: MIB // 16])
        if small >= SECONDS / 4:
            # A collection of all garbage, which objects of earlier tests make long, is in one of them at most.
            small = min(small, *(_cpu(parser, (seed * (MIB // 16 // len(seed) + 1))[: MIB // 16]) for _ in range(2)))
        if small < NOTHING:
            continue
        # A parser that is slow already would not end with 1 MiB.
        text = (seed * (MIB // len(seed) + 1))[:MIB]
        large = _cpu(parser, text) if small < SECONDS / 4 else 16 * small
        for _ in range(3):
            if small >= SECONDS / 4 or not _breaks(small, large):
                break
            # Caches that other processes have filled can double a time.
            small = max(small, *(_cpu(parser, text[: MIB // 16]) for _ in range(3)))
            large = min(large, *(_cpu(parser, text) for _ in range(2)))
        if _breaks(small, large):
            slow[name] = (round(small, 3), round(large, 3))
    return slow


def _breaks(small: float, large: float) -> bool:
    return large > SECONDS or (large > MEASURABLE and large > FACTOR * small)


# Some modules have one parser together.
DIFFERENT = {parser: module for module, parser in PARSERS.items()}


@pytest.mark.parametrize("parser", [pytest.param(each, id=module) for each, module in DIFFERENT.items()])
def test_a_parser_is_linear(parser: Callable[[str], object]) -> None:
    assert _slow(parser) == {}


def test_the_law_finds_a_quadratic_parser() -> None:
    import re

    quadratic = re.compile(r"\d+ ?EUR")
    assert _slow(lambda text: quadratic.findall(text[: len(text) // 4]), {"digits": "1"})
