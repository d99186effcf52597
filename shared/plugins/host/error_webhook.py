"""Post errors of a plugin to its webhook, signed by Standard Webhooks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shared import clock, redaction
from shared.aws import secrets
from shared.aws.permissions import Grant, read_secret
from shared.plugins.host import net
from shared.plugins.host.sandbox import QuotaExceeded
from shared.plugins.manifest.permissions import Permissions
from shared.run.context import RunContext

if TYPE_CHECKING:
    from shared.plugins.manifest.manifest import Manifest

SECRET = "plugin-webhook"
TIMEOUT = 5.0


def grants(manifest: Manifest) -> tuple[Grant, ...]:
    return (read_secret(SECRET),) if manifest.errors else ()


def post(run: RunContext, manifest: Manifest, job: str, error: Exception) -> None:
    """Post the error if the manifest has a webhook.

    A failure of the webhook is only logged.
    """
    if not manifest.errors:
        return
    from shared.http import webhook

    data = {
        "job": job,
        "version": manifest.version,
        "run": run.run_id,
        "attempt": run.firing.attempt,
        "last": run.firing.attempt >= run.job.retry.attempts,
        "quota": isinstance(error, QuotaExceeded),
        "error": redaction.text(f"{type(error).__name__}: {error}")[:512],
    }
    body = json.dumps({"type": "job.failed", "timestamp": clock.iso(run.cloud.clock.now()), "data": data})
    try:
        key = run.run_id.replace(".", "-")
        headers = webhook.sign(secrets.read(run.cloud, SECRET).split(), key, run.cloud.clock.now(), body)
        sent = {**headers, "content-type": "application/json"}
        status, _, _ = net.call(_only(manifest.errors), "POST", manifest.errors, sent, body.encode(), TIMEOUT)
        if not 200 <= status < 300:
            raise ConnectionError(f"the webhook answered {status}")
    except Exception as failed:  # noqa: BLE001 - the error of the run takes precedence
        run.log.warning("plugin_webhook_failed", error=f"{type(failed).__name__}: {failed}")


def _only(url: str) -> Permissions:
    return Permissions(net=(urlsplit(url).hostname or "",))
