"""Declaration of a purge: required attributes, and errors that name the correction."""

from __future__ import annotations

from typing import Any

import pytest

from shared.archetypes.purge import Purge
from shared.job.duration import days
from shared.job.idempotency import natural
from shared.job.validation import DeclarationError
from shared.tables import STATE
from tests.support.holds import HOLDS

GOOD = {
    "__module__": "functions.demo.holds",
    "__doc__": "Purge held messages.",
    "table": HOLDS,
    "keep": days(30),
    "idempotency": natural("a row once deleted is not found again"),
}


def warning(*_: Any) -> str:
    return "it goes tomorrow"


def declared(**extra: Any) -> type[Purge]:
    given = {name: value for name, value in {**GOOD, **extra}.items() if value is not None}
    return type("Holds", (Purge,), given)


def test_a_table_and_how_long_to_keep_is_all_that_a_purge_must_say() -> None:
    assert declared().name == "holds"


def test_one_without_a_word_on_its_idempotency_is_refused() -> None:
    with pytest.raises(DeclarationError, match="declares no idempotency"):
        declared(idempotency=None)


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"table": None}, "declares no table"),
        ({"keep": None}, "declares no retention; keep = "),
        ({"keep": 30}, "declares no retention; keep = "),
        ({"keep": -days(1)}, "declares no retention; keep = "),
        ({"index": "due"}, "table 'held' has no index 'due' by age; declare it in shared/tables.py"),
        ({"table": STATE}, "table 'state' has no index 'aged' by age"),
        ({"index": ""}, 'index is "", the table\'s own key, and partitions'),
        ({"warn": days(30)}, "must be less than the retention of 30 days, 0:00:00"),
        ({"warn": days(0)}, "that needs an index, and must be less than"),
        ({"warn": days(2), "kinds": {"urgent": days(1)}}, "that needs an index, and must be less than"),
        ({"warn": days(1), "index": "", "partitions": warning}, "that needs an index"),
        ({"warn": days(1), "effects": days(60)}, r"no warning\(row\) or no send"),
        ({"warn": days(1), "effects": days(60), "warning": warning}, r"no warning\(row\) or no send"),
        ({"warn": days(1), "warning": warning, "send": warning}, "declares no retention of effects"),
        ({"holds": ("version",)}, "holds or reads an attribute that the index 'aged' does not include"),
        ({"reads": ("owner",)}, "holds or reads an attribute that the index 'aged' does not include"),
        ({"kinds": {"Very Critical": days(1)}}, "a kind is a lower-case word"),
        ({"kinds": {"critical": days(1)}, "index": "", "partitions": warning}, "needs an index by age"),
        ({"most": 0}, "most is 0"),
        ({"timeout": 20}, "timeout is 20 s; a purge reserves 10 for its end"),
    ],
)
def test_a_purge_that_cannot_be_is_refused(extra: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        declared(**extra)


def test_what_the_index_shows_may_be_held_and_read() -> None:
    assert declared(holds=("since", "state"), reads=("state", "sk")).holds == ("since", "state")


def test_one_that_warns_says_what_and_how() -> None:
    assert declared(warn=days(1), effects=days(60), warning=warning, send=warning).warn == days(1)


def test_an_archetype_of_purges_is_asked_nothing_until_it_is_a_job() -> None:
    class Expiring(Purge, archetype=True):
        """Rows that expire at a time of their own."""

        keep = days(0)

    made = type("Tokens", (Expiring,), {name: value for name, value in GOOD.items() if name != "keep"})
    assert issubclass(made, Purge)
    assert made.keep == days(0)


def test_its_role_may_delete_rows_of_its_table_and_change_none() -> None:
    actions = {action for grant in declared().grants() if grant.resource == "table/held" for action in grant.actions}
    assert actions == {
        f"dynamodb:{name}" for name in ("GetItem", "BatchGetItem", "Query", "DeleteItem", "BatchWriteItem")
    }


def test_one_that_warns_may_change_them() -> None:
    job = declared(warn=days(1), effects=days(60), warning=warning, send=warning)
    assert any("dynamodb:UpdateItem" in grant.actions for grant in job.grants() if grant.resource == "table/held")


def test_its_settings_are_how_long_to_keep_and_how_many_to_delete_unasked() -> None:
    settings = {setting.name: setting.default for setting in declared(kinds={"critical": days(90)}).all_settings()}
    assert settings["HOLDS_MAX_RUNS_PER_TICK"] == "1000000"
    assert {name: value for name, value in settings.items() if "KEEP" in name or "MOST" in name} == {
        "HOLDS_KEEP": "30d",
        "HOLDS_KEEP_CRITICAL": "90d",
        "HOLDS_MOST_ROWS": "100000",
    }
