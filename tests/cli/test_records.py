"""docs/reference/records.md describes every table for the applications that write its rows."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime

from cli.generate import records_page
from shared.job import registry
from shared.product.records.by_table import KINDS
from shared.product.records.mail import Hold

PAGE = records_page.page(registry.jobs({}).values())


def section(table: str) -> str:
    return PAGE.partition(f"\n### {table}\n")[2].partition("\n### ")[0]


def test_every_field_of_every_record_is_on_the_page() -> None:
    for table, kind in KINDS.items():
        told = re.findall(r"^\| `(\w+)` \|", section(table), re.MULTILINE)
        assert told == list(kind.model_fields), table


def test_the_page_lists_the_jobs_that_read_write_and_delete_the_rows() -> None:
    told = section("quarantine")
    assert "- Written by no job" in told or "- Written by `account-deletion`" in told
    assert "`spam-quarantine-expiry`" in told.partition("- Deleted by")[2]
    assert "- Index `aged`: `aged` / `since`, with `raw`." in told


def test_bounds_are_described_in_words() -> None:
    assert "| `bytes_used` | whole number, from 0, below 2^63 | `0` |" in section("holds")
    assert "| `held_at` | timestamp, in the past |  |" in section("holds")
    assert "| `raw` | an object's key in `mail/` |  |" in section("holds")
    assert '| `state` | `pending` or `delivered` or `closed` | `"pending"` |' in section("failed-emails")
    assert "| `expires_at` | timestamp | absent |" in section("aliases")


def test_the_partition_is_computed_as_the_page_describes() -> None:
    hold = Hold(user="u1", id="h1", alias="a@b.c", raw="mail/h1", held_at=datetime(2026, 3, 2, tzinfo=UTC))
    assert "The partition is the CRC-32 of `<pk>#<sk>` in UTF-8, modulo the shards, in two digits" in PAGE
    assert hold.item()["aged"] == f"{zlib.crc32(b'u1#h1') % 8:02d}"
