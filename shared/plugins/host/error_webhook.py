"""A plugin's own webhook for its errors: signed by Standard Webhooks, told once for each failed attempt."""

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
PATIENCE = 5.0


def grants(manifest: Manifest) -> tuple[Grant, ...]:
    return (read_secret(SECRET),) if manifest.errors else ()


def tell(run: RunContext, manifest: Manifest, job: str, error: Exception) -> None:
    """Post it where the manifest says, if it says so. A webhook that fails is logged, and changes nothing."""
    if not manifest.errors:
        return
    from shared.http import webhook

    told = {
        "job": job,
        "version": manifest.version,
        "run": run.run_id,
        "attempt": run.firing.attempt,
        "last": run.firing.attempt >= run.job.retry.attempts,
        "quota": isinstance(error, QuotaExceeded),
        "error": redaction.text(f"{type(error).__name__}: {error}")[:512],
    }
    body = json.dumps({"type": "job.failed", "timestamp": clock.iso(run.cloud.clock.now()), "data": told})
    try:
        key = run.run_id.replace(".", "-")
        headers = webhook.sign(secrets.read(run.cloud, SECRET).split(), key, run.cloud.clock.now(), body)
        sent = {**headers, "content-type": "application/json"}
        status, _, _ = net.call(_only(manifest.errors), "POST", manifest.errors, sent, body.encode(), PATIENCE)
        if not 200 <= status < 300:
            raise ConnectionError(f"it answered {status}")
    except Exception as failed:  # noqa: BLE001 - the run's own error is what counts
        run.log.warning("plugin_webhook_failed", error=f"{type(failed).__name__}: {failed}")


def _only(url: str) -> Permissions:
    return Permissions(net=(urlsplit(url).hostname or "",))
