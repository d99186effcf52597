"""Subject: whose work a dead letter is, and which attempt failed."""

from __future__ import annotations

from typing import TypedDict


class Subject(TypedDict, total=False):
    """Fields of a dead letter's message, each only where it is known.

    A dead letter that is sent again must have the same fields: it is recognised by its content.
    """

    #: Id of the run that failed; of a consumer that of the batch.
    run: str
    #: SQS message id of the delivery that failed.
    message_id: str
    #: Id of the organization.
    tenant: str
    #: Id of what the work is about.
    entity: str
    correlation_id: str
    #: Number of the attempt, from 1.
    attempts: int
    #: Timestamp of the first failure.
    first_failed_at: str
    #: Version of the code that failed, see CODE_VERSION.
    version: str
