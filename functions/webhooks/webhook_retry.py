"""Events that a receiver has not taken yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shared.archetypes.sweep import Attempt, AttemptResult, AttemptVerdict, GaveUp, Key, RetryLater, Succeeded, Sweep
from shared.job import RunContext, SettingError, every, keyed, retry_policies, settings, tables

if TYPE_CHECKING:
    from shared.http.untrusted import UntrustedHttpClient
    from shared.product.records.outgoing import Delivery

LOOPBACK = settings.flag(
    "WEBHOOK_LOOPBACK", False, "Whether webhooks may lead to this very machine, by http too; refused in production"
)
# A receiver that has been silent so many times in a run is not waited for again in it.
SILENT = 3
# Seconds for which a receiver may ask to be left alone.
LONGEST_WAIT = 24 * 3600


class WebhookRetry(Sweep):
    """Deliver events again that their receivers have not taken, after 1, 5, 30 minutes and 2 hours; then give up.

    Delays count from the attempt before. Each carries the delivery's id, by which its receiver knows it.
    """

    schedule = every(minutes=1)
    table = tables.DELIVERIES
    record = "shared.product.records.outgoing.Delivery"
    delays = retry_policies.WEBHOOK_ITEM
    referenced_tables = (tables.WEBHOOKS,)
    width = 8
    share = 2
    verb = "send"
    memory = 512
    retention = "high-volume"
    idempotency = keyed("its receiver knows the delivery's id; what came of an attempt is written once")
    settings = (LOOPBACK,)

    def references(self, item: Delivery) -> Iterable[Key]:
        return (_webhook(item),)

    def lane(self, item: Delivery) -> str:
        return f"{item.user}#{item.webhook}"

    @contextmanager
    def tools(self, run: RunContext) -> Iterator[Receivers]:
        from shared.http import untrusted

        loopback = run.setting(LOOPBACK.name)
        if loopback and run.cloud.names.production:
            raise SettingError(f"{LOOPBACK.name} is true in production: users' webhooks would reach into this machine")
        yield Receivers(untrusted.UntrustedHttpClient(run.cloud, loopback=loopback, total=untrusted.TOTAL))

    def attempt(self, attempt: Attempt) -> AttemptVerdict:
        from shared.http import client, ssrf, webhook

        item: Delivery = attempt.item
        to, receivers = attempt.references.get(_webhook(item)), attempt.tools
        if not to or not to.get("active", True):
            return GaveUp("its webhook is gone, or switched off")
        if receivers.silent(to):
            return RetryLater(f"the receiver has been silent {SILENT} times in a row")
        try:
            answer = webhook.post(receivers.courier, to["url"], to["secrets"], item.id, item.body)
        except webhook.WebhookRefused as refused:
            receivers.heard(to)
            status = {"status": refused.status}
            if refused.gone:
                return GaveUp("the receiver wants no more of them", status)
            return RetryLater(
                f"the receiver answered {refused.status}", status, min(refused.retry_after or 0, LONGEST_WAIT)
            )
        except ssrf.ForbiddenUrl as closed:
            return GaveUp(str(closed))
        except ValueError as error:
            return GaveUp(f"it cannot be signed or sent: {error}")
        except (client.NoResponse, ssrf.Unresolved) as missed:
            receivers.missed(to)
            return RetryLater(str(missed), {"status": 0})
        receivers.heard(to)
        return Succeeded(fields={"status": answer.status})

    def on_success(self, item: Delivery, result: AttemptResult) -> Mapping[str, Any]:
        from shared.product.records.outgoing import SendState

        return {"state": SendState.SENT, "sent_at": result.at, "next_attempt_at": None}

    def on_give_up(self, item: Delivery, result: AttemptResult) -> Mapping[str, Any]:
        from shared.product.records.outgoing import SendState

        return {"state": SendState.FAILED, "failed_at": result.at, "next_attempt_at": None}


class Receivers:
    """What a run has learned of them: how often each has been silent since it last said anything."""

    def __init__(self, courier: UntrustedHttpClient) -> None:
        self.courier = courier
        self._silences: Counter[tuple[str, str]] = Counter()

    def silent(self, to: Mapping[str, Any]) -> bool:
        return self._silences[to["pk"], to["sk"]] >= SILENT

    def missed(self, to: Mapping[str, Any]) -> None:
        self._silences[to["pk"], to["sk"]] += 1

    def heard(self, to: Mapping[str, Any]) -> None:
        self._silences.pop((to["pk"], to["sk"]), None)


def _webhook(item: Delivery) -> Key:
    return Key(tables.WEBHOOKS.name, item.user, item.webhook)
