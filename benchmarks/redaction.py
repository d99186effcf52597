"""Throughput of the redaction filter, beside one regular expression after another.
python -m benchmarks.redaction [--megabytes 2] [--rounds 5]

The text is that of a deployment's logs: runs, failures with tracebacks, samples of pages and responses of other
services; one line in fifty has a secret or an address. `lines` filters each line's text, `documents` each line's
fields, as the log does, `whole` all of it at once. `alternation` is a common filter: the same kinds of secrets, by one
regular expression after another, which finds less. A figure is megabytes of text per second of CPU. Exit code 1 if
lines or documents are certainly less than LEAST times as fast as the alternation.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from statistics import median
from typing import Any

from benchmarks.report.figures import Figures, Section
from benchmarks.report.ratio import interleaved, ratio
from benchmarks.report.svg import bars
from shared import redaction
from tests.corpus.canaries import CANARIES

LEAST = 3.0
ONE_IN = 50

ALTERNATION = tuple(
    (re.compile(pattern, flags), shown)
    for pattern, flags, shown in (
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL, "[redacted]"),
        (r"\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*", 0, "[redacted]"),
        (r"\b(Bearer|Basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE, r"\1 [redacted]"),
        (r"\b((?:set-)?cookie|authorization)\s*:\s*[^\r\n]+", re.IGNORECASE, r"\1: [redacted]"),
        (
            (
                r"([\"']?\b[\w-]*(?:passw(?:or)?d|secret|token|api[-_]?key|signature|session[-_]?id)[\"']?\s*[=:]\s*)"
                r"(\"[^\"]*\"|'[^']*'|[^\s\"'&,;}<]+)"
            ),
            re.IGNORECASE,
            r"\1[redacted]",
        ),
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", 0, "[redacted]"),
        (r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abpr]-|[srp]k_(?:live|test)_|sk-)[\w-]{10,}", 0, "[redacted]"),
        (r"\b(?:SG\.|ya29\.|AIza|npm_|pypi-|shpat_|hf_|dop_v1_)[\w.-]{20,}", 0, "[redacted]"),
        (r"(?<=://)[^\s/@:]+:[^\s/@]+(?=@)", 0, "[redacted]"),
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", 0, "[e-mail]"),
        (r"\b(?:\d[ -]?){13,19}\b", 0, "[number]"),
        (r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", 0, "[number]"),
        (r"\+[1-9]\d{0,3}(?:[ .()/-]{0,2}\d{1,5}){2,6}", 0, "[number]"),
    )
)
TRACEBACK = """Traceback (most recent call last):
  File "/var/task/shared/run.py", line 141, in _worked
    return job.work(tick)
  File "/var/task/functions/sites/pricing.py", line 38, in work
    raise NoResponse(f"{host} did not answer in {seconds:.0f} s")
shared.http.client.NoResponse: shop.example did not answer in 10 s
"""
PAGE = '<html><head><title>Pricing</title></head><body class="page"><h1>Pricing</h1><p>Team: 19.99 EUR</p></body>'


def alternation(text: str) -> str:
    for pattern, shown in ALTERNATION:
        text = pattern.sub(shown, text)
    return text


def documents(size: int) -> Iterator[dict[str, Any]]:
    """Fields of log lines, `size` characters of them as JSON."""
    chance = random.Random(1)
    made = 0
    while made < size:
        job = chance.choice(("pricing", "forwarding-retry", "docs", "usage", "notification-delivery"))
        fields: dict[str, Any] = {
            "job": job,
            "jobId": f"20261121T2205{chance.randrange(60):02d}.000Z-{chance.getrandbits(32):08x}",
            "entityId": chance.choice(("shop.example", "docs.example:8080", "-", "org_8123")),
            "correlationId": f"{chance.getrandbits(128):032x}",
            "status": "done",
            "duration": chance.randrange(10_000),
        }
        kind = chance.randrange(10)
        if kind == 0:
            fields |= {"error": "NoResponse: shop.example did not answer in 10 s", "stack": TRACEBACK}
        elif kind == 1:
            fields |= {"sample": PAGE, "url": "https://shop.example/pricing?page=2", "result": {"hosts": 12, "bad": 1}}
        else:
            fields |= {"result": {"found": chance.randrange(1000), "sent": chance.randrange(1000)}, "ok": True}
        if chance.randrange(ONE_IN) == 0:
            fields["note"] = chance.choice(CANARIES).said
        made += len(json.dumps(fields))
        yield fields


def rate(work: Callable[[], object], size: int) -> float:
    """Megabytes a second of CPU."""
    started = time.process_time()
    work()
    return size / 1e6 / (time.process_time() - started)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.redaction", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=float, default=2, help="of text (default: 2)")
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args(arguments)
    made = list(documents(int(given.megabytes * 1e6)))
    lines = [json.dumps(fields, ensure_ascii=False) for fields in made]
    whole = "\n".join(lines)
    size = len(whole)
    ways: dict[str, Callable[[], object]] = {
        "alternation": lambda: [alternation(line) for line in lines],
        "lines": lambda: [redaction.text(line) for line in lines],
        "documents": lambda: [redaction.data(fields) for fields in made],
        "whole": lambda: redaction.text(whole),
    }
    rates = interleaved({way: partial(rate, work, size) for way, work in ways.items()}, given.rounds)
    figures = Figures(
        "redaction",
        "Redaction",
        "python -m benchmarks.redaction",
        f"{size / 1e6:.1f} MB of logs, {len(lines):,} lines, beside one regular expression after another",
    )
    rows, shown = [], []
    for way, found in rates.items():
        to_peer = ratio(found, rates["alternation"])
        rows.append([way, f"{median(found):.1f}", str(to_peer)])
        shown.append((way, to_peer.median, to_peer.low, to_peer.high))
        # Whole texts and others are shown, and have no bound.
        if way in ("lines", "documents") and to_peer.below(LEAST):
            figures.missed.append(f"{way}: {to_peer} times the alternation; at least {LEAST:g} is expected")
    columns = ["way", "MB a second of CPU", "times the alternation"]
    figures.sections.append(Section("Throughput", "", columns, rows, "redaction.svg"))
    figures.plots["redaction.svg"] = bars("Throughput", "times the alternation", shown)
    return figures.store()


if __name__ == "__main__":
    sys.exit(main())
