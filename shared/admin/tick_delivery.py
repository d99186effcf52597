"""Rules, schedules and function that start a job, as deployed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.admin.drift import FUNCTION, RULE, SCHEDULE
from shared.job.definition import Job
from shared.job.schedule import UTC_ZONE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud

MISSING = "ResourceNotFoundException"
# Parameters of a schedule; UpdateSchedule resets those that it is not given.
SCHEDULE_PARAMETERS = (
    "Name",
    "GroupName",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "StartDate",
    "EndDate",
    "Description",
    "KmsKeyArn",
    "Target",
    "FlexibleTimeWindow",
    "ActionAfterCompletion",
)


@dataclass(frozen=True, slots=True)
class TickDelivery:
    """Deployed obstacles that keep events from starting a job."""

    #: Kind and name of each rule or schedule that is disabled.
    disabled: tuple[tuple[str, str], ...] = ()
    #: Kind and name of each rule, schedule or function that does not exist.
    missing: tuple[tuple[str, str], ...] = ()
    #: Name of the function if its reserved concurrency is 0: Lambda starts no run of it.
    throttled: str = ""
    #: Error of AWS, if part of the state could not be read.
    unreadable: str = ""

    @property
    def restorable(self) -> bool:
        """Whether restore() has something to do."""
        return bool(self.disabled or self.throttled)

    @property
    def facts(self) -> dict[str, Any]:
        """The state as JSON data."""
        return {
            "disabled": [name for _, name in self.disabled],
            "missing": [name for _, name in self.missing],
            "throttled": self.throttled or None,
            "unreadable": self.unreadable or None,
        }


def read(cloud: Cloud, job: Job) -> TickDelivery:
    """Read the state of the job's rules, schedules and function.

    One read each.
    """
    disabled, missing = list[tuple[str, str]](), list[tuple[str, str]]()
    throttled, unreadable = "", ""
    for kind, name in (*_sources(cloud, job), (FUNCTION, cloud.names.function(job.name))):
        state = _state(cloud, kind, name)
        if state == MISSING:
            missing.append((kind, name))
        elif isinstance(state, Exception):
            unreadable = unreadable or str(state)
        elif state == "DISABLED":
            disabled.append((kind, name))
        elif state == 0:
            throttled = name
    return TickDelivery(tuple(disabled), tuple(missing), throttled, unreadable)


def restore(cloud: Cloud, delivery: TickDelivery) -> None:
    """Enable what is disabled, and remove a reserved concurrency of 0.

    No job declares a reserved concurrency.
    """
    for kind, name in delivery.disabled:
        if kind == RULE:
            cloud.rules.enable_rule(Name=name)
        else:
            stored: Any = cloud.schedules.get_schedule(Name=name)
            parameters: Any = {each: stored[each] for each in SCHEDULE_PARAMETERS if each in stored}
            cloud.schedules.update_schedule(**parameters, State="ENABLED")
    if delivery.throttled:
        cloud.functions.delete_function_concurrency(FunctionName=delivery.throttled)


def _sources(cloud: Cloud, job: Job) -> list[tuple[str, str]]:
    """Kind and name of each rule and schedule, in order."""
    kinds = [
        RULE if schedule.zone == UTC_ZONE else SCHEDULE for schedule in job.schedules() for _ in schedule.eventbridge()
    ]
    return [(kind, cloud.names.tick(job.name, number)) for number, kind in enumerate(kinds, start=1)]


def _state(cloud: Cloud, kind: str, name: str) -> object:
    """ENABLED or DISABLED, or the function's reserved concurrency.

    MISSING where it does not exist; another error of AWS is returned.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        match kind:
            case "rule":
                return cloud.rules.describe_rule(Name=name)["State"]
            case "schedule":
                return cloud.schedules.get_schedule(Name=name)["State"]
            case _:
                answer = cloud.functions.get_function_concurrency(FunctionName=name)
                return answer.get("ReservedConcurrentExecutions")
    except ClientError as error:
        return MISSING if error.response.get("Error", {}).get("Code") == MISSING else error
    except BotoCoreError as error:
        return error
