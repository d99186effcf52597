"""A target or an organization that does not exist is refused or named before an act."""

from __future__ import annotations

import pytest

from tests.support.console_browser import Person
from tests.support.console_state import TENANT


@pytest.mark.parametrize("act", ["run", "pause"])
@pytest.mark.parametrize("job", ["pricing", "docs", "session-cleanup"])
def test_a_target_that_the_job_does_not_have_is_refused(operator: Person, act: str, job: str) -> None:
    name = "session-cleanup" if (act, job) == ("pause", "docs") else job
    seen = operator.preview(act, job=name, target="no.such")
    assert (seen.status, f"{name} has no target" in seen.text) == (409, True)


def test_the_pause_of_an_unknown_organization_says_so(operator: Person) -> None:
    for form in ({}, {"job": "usage"}):
        act = "pause" if form else "pause-tenant"
        assert "Nothing of org_tpyo is on record" in operator.preview(act, tenant="org_tpyo", **form).text
        assert "is on record" not in operator.preview(act, tenant=TENANT, **form).text
