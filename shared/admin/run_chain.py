"""One run with its attempts, dead letter, effects and log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared import clock, redaction
from shared.admin import effects
from shared.admin.trace import HIDDEN_ATTRIBUTES
from shared.ledger.ledger import tick_of
from shared.run.history import started_by
from shared.store import keys, table
from shared.tables import STATE

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud
    from shared.job.manifest import Entry

# A log may have lines of a run before its row, by the clock of another machine.
SKEW = timedelta(seconds=10)
MOST_LETTERS = 100


@dataclass(slots=True)
class RunChain:
    """A run, and what belongs to it."""

    job: str
    entry: Entry
    run: str
    row: dict[str, Any]
    #: Rows of the same tick and target, the oldest first; the run itself included.
    attempts: list[dict[str, Any]] = field(default_factory=list)
    dead_letter: dict[str, Any] = field(default_factory=dict)
    #: Effects of this run whose outcome is unknown.
    uncertain: list[dict[str, Any]] = field(default_factory=list)

    @property
    def trigger(self) -> str:
        """Its origin, in words."""
        if self.entry["queue"]:
            return f"messages of {self.entry['queue']}"
        if self.row.get("outcome") == "missed":
            return "nothing: the tick was missed"
        return "its schedule" if tick_of(str(self.row.get("tick", ""))) else "an operator, or the API"


def read(cloud: Cloud, job: str, entry: Entry, run: str) -> RunChain | None:
    """Read a run in four calls; None without its row."""
    row = table.get(cloud, STATE, keys.run(job, run), consistent=False)
    if "outcome" not in row:
        return None
    chain = RunChain(job, entry, run, _shown(row))
    chain.attempts = _attempts(cloud, chain) if row.get("tick") else [chain.row]
    if not row.get("ok", True):
        chain.dead_letter = _dead_letter(cloud, chain)
    if entry["effects"]:
        chain.uncertain = [each for each in effects.uncertain_effects(cloud, job) if each.get("run") == run]
    return chain


def log_lines(cloud: Cloud, chain: RunChain, most: int) -> list[str]:
    """The last log lines that name the run, redacted, the oldest first."""
    started = clock.parse(chain.row["started"])
    answer = cloud.logs.filter_log_events(
        logGroupName=f"/aws/lambda/{cloud.names.function(chain.job)}",
        startTime=clock.milliseconds(started - SKEW),
        endTime=clock.milliseconds(started + timedelta(milliseconds=chain.row.get("ms", 0)) + timedelta(minutes=15)),
        # Quoted, as a phrase: in a bare pattern the hyphens of a run id exclude terms.
        filterPattern=f'"{chain.run}"',
        limit=most,
    )
    return [redaction.text(event["message"].rstrip("\n")) for event in answer["events"]]


def _attempts(cloud: Cloud, chain: RunChain) -> list[dict[str, Any]]:
    """Rows of the same tick, from the start of the tick on."""
    tick = tick_of(str(chain.row["tick"]))
    since = min(tick, started_by(chain.run)) if tick else started_by(chain.run) - timedelta(hours=2)
    values = {
        ":pk": keys.runs(chain.job, started_by(chain.run).date()),
        ":since": f"{since - SKEW:%Y%m%dT%H%M%S}",
        ":tick": chain.row["tick"],
    }
    rows, _ = table.query_page(
        cloud,
        STATE,
        "pk = :pk AND sk >= :since",
        values,
        names={"#tick": "tick"},
        FilterExpression="#tick = :tick AND attribute_exists(outcome)",
    )
    target = chain.row.get("target", "-")
    return [_shown(row) for row in rows if row.get("target", "-") == target] or [chain.row]


def _dead_letter(cloud: Cloud, chain: RunChain) -> dict[str, Any]:
    """The dead letter of the run or its chain, if any."""
    values = {":pk": keys.dead_letters(chain.job), ":since": str(chain.attempts[0].get("started", "0"))}
    rows, _ = table.query_page(cloud, STATE, "pk = :pk AND sk > :since", values, Limit=MOST_LETTERS)
    ids = {row["run"] for row in chain.attempts} | {row.get("correlationId", chain.run) for row in chain.attempts}
    return next((row for row in rows if {row.get("jobId"), row.get("run"), row.get("correlationId")} & ids), {})


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {"run": row["sk"], **{name: value for name, value in row.items() if name not in HIDDEN_ATTRIBUTES}}
