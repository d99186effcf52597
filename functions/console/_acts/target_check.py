"""Refuse an act on a target that the job lacks."""

from __future__ import annotations

from functions.console._acts.preview import ActRefused
from functions.console._view import View
from shared.aws.names import NO_TARGET
from shared.job.manifest import Entry
from shared.run.target_check import not_among
from shared.store import keys, table
from shared.tables import STATE


def check_target(view: View, name: str, entry: Entry, target: str) -> None:
    """Raise ActRefused for a target that the job does not have.

    Hosts of a setting may be newer than the manifest, so that one with a status counts too. Where items give the names,
    only the job's code knows them: the run checks those.
    """
    targets = entry["targets"]
    if not target or (targets is None and entry["named_targets"]):
        return
    known = set(targets or ())
    if entry["named_targets"] and target not in known:
        rows = table.query(view.cloud, STATE, "pk = :pk", {":pk": keys.claims(entry["key"])})
        known |= {str(row["sk"]) for row in rows} - {NO_TARGET}
    if why := not_among(sorted(known), name, target):
        raise ActRefused(f"{why}.")
