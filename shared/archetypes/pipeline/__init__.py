"""Pipeline: process each due request in named steps.

Each step works piece by piece, and resumes after interruptions.
"""

from __future__ import annotations

from collections.abc import Iterator

from shared import clock
from shared.archetypes.pipeline.definition import Continue, PipelineDefinition, RequestRefused, StepDone
from shared.archetypes.pipeline.states import WorkState
from shared.job.outcome import Done, Outcome
from shared.run.context import RunContext
from shared.store import due_index
from shared.store.age_index import Row

__all__ = ["Continue", "Pipeline", "RequestRefused", "StepDone", "WorkState"]


class Pipeline(PipelineDefinition, archetype=True):
    """Process the due rows of `table` in sequence, each through all `steps`."""

    def work(self, run: RunContext) -> Outcome:
        rows = self._due(run)
        first = next(rows, None)
        if first is None:
            return Done({"due": 0})
        # Imported lazily: most ticks find nothing due.
        from shared.archetypes.pipeline.runner import PipelineRun

        pipeline = PipelineRun(self, run)
        pipeline.process_all(first, rows)
        counts = {word: count for word, count in pipeline.counts.items() if count}
        bad = [f"{counts[word]:,} {word}" for word in ("faulty", "failed", "put_off") if word in counts]
        note = f"{', '.join(bad)}; see the log for the requests and reasons" if bad else ""
        return Done(counts, ok=not bad, note=note, checkpoint={"more": True} if pipeline.more else None)

    def plan(self, run: RunContext) -> list[str]:
        return [f"continue {row.pk} {row.sk}, due {row.since}" for row in self._due(run)]

    def _due(self, run: RunContext) -> Iterator[Row]:
        # Requests that an earlier part of this tick released became due after the tick.
        return due_index.rows_due(run.cloud, self.table, clock.iso(max(run.at, run.started)))
