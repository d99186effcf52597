from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from functions.webhooks._endpoint_health import DISABLE_AFTER, GONE, EndpointHealth
from shared.archetypes.sweep import (
    Attempt,
    AttemptResult,
    AttemptVerdict,
    Deferred,
    GaveUp,
    Key,
    RetryLater,
    Succeeded,
    Sweep,
)
from shared.job import RunContext, SettingError, every, keyed, retry_policies, settings, tables, update_rows
from shared.product import notifications

if TYPE_CHECKING:
    from shared.http.untrusted import UntrustedHttpClient
    from shared.product.records.outgoing import Delivery

LOOPBACK = settings.flag(
    "WEBHOOK_LOOPBACK", False, "Whether webhooks may lead to this machine, by http too; refused in production"
)
# A receiver that did not answer this many times in a row is not called again in the same run.
MAX_TIMEOUTS = 3
# Seconds until a receiver's name is looked up again that DNS did not answer; no attempt is counted before this age of
# the delivery.
RESOLVER_WAIT, LONGEST_OUTAGE = 300, timedelta(days=5)
# Limit of a receiver's Retry-After, in seconds.
LONGEST_WAIT = 24 * 3600


class WebhookRetry(Sweep):
    """Retry failed webhook deliveries after 1, 5, 30 minutes and 2 hours.

    After the last retry the delivery is closed. An endpoint that answers 410 Gone, or fails for five days, is disabled,
    and its user notified.

    Delays count from the previous attempt. Each attempt has the delivery's id as its idempotency key.
    """

    schedule = every(minutes=1)
    table = tables.DELIVERIES
    shards = 4
    record = "shared.product.records.outgoing.Delivery"
    delays = retry_policies.WEBHOOK_ITEM
    referenced_tables = (tables.WEBHOOKS,)
    width = 8
    share = 2
    verb = "send"
    memory = 512
    retention = "high-volume"
    idempotency = keyed("the receiver recognises the delivery's id, and an attempt's result is written once")
    settings = (LOOPBACK, DISABLE_AFTER)
    permissions = (update_rows(tables.WEBHOOKS.name), *notifications.GRANTS)

    def references(self, item: Delivery) -> Iterable[Key]:
        return (_webhook(item),)

    def lane(self, item: Delivery) -> str:
        return f"{item.user}#{item.webhook}"

    @contextmanager
    def tools(self, run: RunContext) -> Iterator[Receivers]:
        from shared.http import untrusted

        loopback = run.setting(LOOPBACK.name)
        if loopback and run.cloud.names.production:
            raise SettingError(f"{LOOPBACK.name} is true in production: users' webhooks could reach this machine")
        client = untrusted.UntrustedHttpClient(run.cloud, loopback=loopback, total=untrusted.TOTAL)
        yield Receivers(client, EndpointHealth(run, tables.WEBHOOKS, partial(_disabled_notice, run)))

    def attempt(self, attempt: Attempt) -> AttemptVerdict:
        from shared.http import client, ssrf, webhook

        item: Delivery = attempt.item
        to, receivers = attempt.references.get(_webhook(item)), attempt.tools
        if not to or not receivers.health.active(to):
            return GaveUp("its webhook was deleted or switched off")
        if receivers.unresponsive(to):
            raise Deferred(f"the receiver did not answer {MAX_TIMEOUTS} times in a row")
        try:
            answer = webhook.post(receivers.client, to["url"], to["secrets"], item.id, item.body)
        except webhook.WebhookRefused as refused:
            receivers.answered(to)
            status = {"status": refused.status}
            if refused.gone:
                receivers.health.disable(to, attempt.at, GONE)
                return GaveUp("the receiver answered 410 Gone", status)
            receivers.health.failed(to, attempt.at, f"it answered {refused.status}")
            return RetryLater(
                f"the receiver answered {refused.status}", status, min(refused.retry_after or 0, LONGEST_WAIT)
            )
        except ssrf.ForbiddenUrl as closed:
            return GaveUp(str(closed))
        except ValueError as error:
            return GaveUp(f"it cannot be signed or sent: {error}")
        except ssrf.ResolverFailed as error:
            if attempt.at - item.created_at < LONGEST_OUTAGE:
                # Perhaps a failure of our resolver.
                raise Deferred(str(error), RESOLVER_WAIT) from error
            return RetryLater(str(error), {"status": 0})
        except (client.NoResponse, ssrf.Unresolved) as missed:
            receivers.no_answer(to)
            receivers.health.failed(to, attempt.at, str(missed))
            return RetryLater(str(missed), {"status": 0})
        receivers.answered(to)
        receivers.health.succeeded(to, attempt.run.cloud.clock.now())
        return Succeeded(fields={"status": answer.status})

    def on_success(self, item: Delivery, result: AttemptResult) -> Mapping[str, Any]:
        from shared.product.records.outgoing import SendState

        return {"state": SendState.SENT, "sent_at": result.at, "next_attempt_at": None}

    def on_give_up(self, item: Delivery, result: AttemptResult) -> Mapping[str, Any]:
        from shared.product.records.outgoing import SendState

        return {"state": SendState.FAILED, "failed_at": result.at, "next_attempt_at": None}


class Receivers:
    """Receivers of one run, with the number of consecutive missing answers."""

    def __init__(self, client: UntrustedHttpClient, health: EndpointHealth) -> None:
        self.client = client
        self.health = health
        self._timeouts: Counter[tuple[str, str]] = Counter()

    def unresponsive(self, webhook: Mapping[str, Any]) -> bool:
        return self._timeouts[webhook["pk"], webhook["sk"]] >= MAX_TIMEOUTS

    def no_answer(self, webhook: Mapping[str, Any]) -> None:
        self._timeouts[webhook["pk"], webhook["sk"]] += 1

    def answered(self, webhook: Mapping[str, Any]) -> None:
        self._timeouts.pop((webhook["pk"], webhook["sk"]), None)


def _disabled_notice(run: RunContext, row: Mapping[str, Any], why: str) -> Sequence[Any]:
    at: str = row["disabled_at"]
    # Without the path of the URL, which may contain a secret.
    host = (urlsplit(row["url"]).hostname or "your server")[:253]
    data = {"host": host, "why": why, "on": at[:10]}
    key = f"webhook-disabled-{row['sk']}-{at}"
    about = f"{tables.WEBHOOKS.name}/{row['sk']}"
    return [notifications.notification(run.cloud, row["pk"], key, "webhook_disabled", "porter", data, about)]


def _webhook(item: Delivery) -> Key:
    return Key(tables.WEBHOOKS.name, item.user, item.webhook)
