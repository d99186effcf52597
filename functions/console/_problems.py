"""Kinds of refusals of the console's API."""

from __future__ import annotations

from shared.http.problem import INVALID_CURSOR, ProblemType

NO_JOB = ProblemType("unknown-job", 404, "The job does not exist", "Use an id or a name that GET /jobs lists.")
NO_ASSESSMENT = ProblemType(
    "unknown-assessment", 404, "The assessment does not exist", "Check the ids of the organization and the assessment."
)
DAY_OUTSIDE = ProblemType(
    "day-outside-history", 400, "The history does not contain the day", "Use a day of the last 30, as yyyy-mm-dd."
)
DRIVEN_BY_QUEUE = ProblemType("driven-by-queue", 409, "The job runs by messages only", "Send a message to its queue.")
NOT_CHANGED = ProblemType(
    "not-changed", 409, "The job is in that state already, or cannot be paused", "Read its state: GET /jobs."
)
#: Of a route that changes a job.
ACTION = (NO_JOB, NOT_CHANGED)
#: Of a route that lists the runs of a job.
JOB = (NO_JOB, DAY_OUTSIDE, INVALID_CURSOR)
