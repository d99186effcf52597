"""Which row of a month has the counters of a feature.

A month begins with one row, `-`. A row takes new features until it has MAX_FEATURES; its set of features never changes
after that. Further features are in child rows, by a hash of the feature: `3`, then `3a`. So rows cannot outgrow
DynamoDB's 400 KB, and an organization with few features has one row.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from functions.flags import _meter_keys
from shared.store import table
from shared.tables import METERS

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.messages.tenant import Tenant

# One write adds up to 33 more: such a row has at most 40 KB of counters while periods are archived, and 280 KB of sums
# for a dashboard.
MAX_FEATURES = 30
# Full rows that a process caches.
CACHED = 2000
NOT_FULL = "(attribute_not_exists(features) OR size(features) < :max)"


class FeatureRows:
    """The full rows that one process has read; they never change."""

    def __init__(self) -> None:
        self._full: dict[tuple[str, str, str], frozenset[str]] = {}

    def find(self, tenant: Tenant, month: str, feature: str) -> str:
        """Return the row of a feature, by the rows read so far."""
        row = _meter_keys.FIRST
        while True:
            features = self._full.get((tenant.id, month, row))
            if features is None or feature in features:
                return row
            row = child(row, feature)

    def is_full(self, tenant: Tenant, month: str, row: str) -> bool:
        return (tenant.id, month, row) in self._full

    def learn(self, tenant: Tenant, month: str, row: str, item: Mapping[str, Any]) -> None:
        """Cache a row as it was read, if it is full."""
        features = item.get("features", ())
        if len(features) < MAX_FEATURES:
            return
        if len(self._full) >= CACHED:
            self._full.clear()
        self._full[tenant.id, month, row] = frozenset(features)

    def read(self, cloud: Cloud, tenant: Tenant, month: str, features: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Read the rows of these features."""
        found: dict[str, dict[str, Any]] = {}
        left = set(features)
        while left:
            by_row = defaultdict[str, set[str]](set)
            for feature in left:
                by_row[self.find(tenant, month, feature)].add(feature)
            for row, its_features in by_row.items():
                if row not in found:
                    found[row] = table.get(cloud, METERS, _meter_keys.month(tenant, month, row))
                    self.learn(tenant, month, row, found[row])
                left -= {each for each in its_features if self.find(tenant, month, each) == row}
        return found


def child(row: str, feature: str) -> str:
    """Return the child row of a full row that has a feature."""
    depth = 0 if row == _meter_keys.FIRST else len(row)
    return hashlib.sha256(feature.encode()).hexdigest()[: depth + 1]
