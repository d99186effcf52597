"""Tenant and entity of a body that was not decoded, whatever its sender wrote."""

from __future__ import annotations

from typing import Any

import pytest

from shared.messages.message_subject import correlation_of, entity_of, tenant_of


@pytest.mark.parametrize(
    ("body", "tenant", "entity"),
    [
        ({"payload": {"organizationId": "org_1", "assessmentId": "as_1", "userId": "u1"}}, "org_1", "as_1"),
        ({"payload": {"event": {"id": "e1", "orgId": "org_1", "actor": "u1"}}}, "org_1", "e1"),
        ({"payload": {"orgId": 7, "batchId": "b", "events": []}}, "7", "b"),
        ({"orgId": "org_1", "order_id": "o1"}, "org_1", "o1"),
        ({"payload": {"organizationId": ["org_1"], "id": {}, "thingId": None}}, "", ""),
        ({"payload": "org_1"}, "", ""),
        (["org_1"], "", ""),
        ("text", "", ""),
        (None, "", ""),
    ],
)
def test_tenant_and_entity_are_found(body: Any, tenant: str, entity: str) -> None:
    assert (tenant_of(body), entity_of(body)) == (tenant, entity)


def test_a_correlation_id_is_found_in_the_payload() -> None:
    assert correlation_of({"payload": {"correlationId": "c1"}}) == "c1"
    assert correlation_of({"payload": {"correlationId": None}}) == ""
