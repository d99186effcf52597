"""Empty lists of stacks, rules, schedules and functions, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Operation -> its answer. Jobs are started without rules here, so that nothing is listed and nothing differs.
LISTS: Mapping[str, str] = {
    "DescribeStacks": "Stacks",
    "ListStackResources": "StackResourceSummaries",
    "ListFunctions": "Functions",
    "ListRules": "Rules",
    "ListSchedules": "Schedules",
}


class MemoryDeployment:
    """CloudFormation, EventBridge and EventBridge Scheduler, with empty lists."""

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a list. Raises NotImplementedError for another operation."""
        if operation not in LISTS:
            raise NotImplementedError(f"the deployment in memory does not have {operation}")
        return {LISTS[operation]: []}
