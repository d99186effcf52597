"""Write the rows of several tenants at once, in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from shared.concurrency import fan_out
from shared.messages.tenant import Tenant, guard

if TYPE_CHECKING:
    from shared.run.context import RunContext

Item = TypeVar("Item")
Result = TypeVar("Result")

# Tenants whose rows are written at once.
WIDTH = 8
# Seconds that the writes of one tenant may take. A run has time for a second round.
PATIENCE = 10.0


def write_by_tenant(
    run: RunContext, write: Callable[[Tenant, Item], Result], items: Mapping[Tenant, Item]
) -> Iterator[tuple[Tenant, Callable[[], Result]]]:
    """Call `write` with each tenant and its item, several at once.

    Yields the tenants as their writes end, each with a function that returns the result or raises the exception. Those
    for which the run has no time are not yielded.

    write: runs in a thread that can access the rows of its tenant only; it must not use the run, whose log and tenant
    are those of the messages that are being answered.
    """
    of_tenant = partial(_write, run, write)
    if len(items) == 1:
        # A thread costs more than the wait for it saves.
        for item in items.items():
            yield item[0], partial(of_tenant, item)
        return
    for (tenant, _), result in fan_out(
        of_tenant, items.items(), width=WIDTH, patience=PATIENCE, remaining=run.remaining
    ):
        yield tenant, partial(_result, result)


def _write(run: RunContext, write: Callable[[Tenant, Item], Result], item: tuple[Tenant, Item]) -> Result:
    with guard(run.cloud).thread_scope(item[0]):
        return write(*item)


def _result(result: Result | Exception) -> Result:
    if isinstance(result, Exception):
        raise result
    return result
