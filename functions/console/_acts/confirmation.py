"""Preview an act, and perform it exactly as it was previewed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from htpy import Element

from functions.console._acts import letters, pausing, running, selection, settling
from functions.console._acts.dialog import dialog, incomplete, refusal, result
from functions.console._acts.item_results import REFUSALS, error_text
from functions.console._acts.preview import (
    ActIncomplete,
    ActRefused,
    Frozen,
    Given,
    Preview,
    freeze,
    opened,
    parameters_of,
)
from functions.console._html import layout
from functions.console._request import Answer, PageError
from functions.console._session import RoleTokens
from functions.console._view import UI, Page, View, link
from shared.job import duration
from shared.observability.log import Log
from shared.store import keys, table
from shared.tables import STATE, TTL

# How long a submitted form is known.
RETENTION = timedelta(hours=1)
MAX_REASON = 300


@dataclass(frozen=True, slots=True)
class Act:
    """One act: names of its parameters, preview, and the function that acts."""

    parameters: tuple[str, ...]
    preview: Callable[[View, dict[str, str]], Preview]
    perform: Callable[[View, dict[str, str], Given], str]


ACTS = {
    "pause": Act(("job", "target", "tenant"), pausing.preview_pause, pausing.pause),
    "resume": Act(("job", "target", "tenant"), pausing.preview_resume, pausing.resume),
    "pause-tenant": Act(("tenant",), pausing.preview_pause_tenant, pausing.pause_tenant),
    "resume-tenant": Act(("tenant",), pausing.preview_resume_tenant, pausing.resume_tenant),
    "run": Act(("job", "target"), running.preview_run, running.run),
    "apply": Act(("plan",), running.preview_apply, running.apply),
    "retry": Act(("id",), letters.preview_retry, letters.retry),
    "retry-group": Act(("group",), letters.preview_wave, letters.retry_wave),
    "purge": Act(("job", "fingerprint", "reason", "tenant", "entity"), letters.preview_purge, letters.purge),
    "pause-jobs": Act((selection.CHOSEN,), selection.preview_pause, selection.pause),
    "resume-jobs": Act((selection.CHOSEN,), selection.preview_resume, selection.resume),
    "run-jobs": Act((selection.CHOSEN,), selection.preview_run, selection.run),
    "retry-letters": Act((selection.CHOSEN,), selection.preview_retry, selection.retry),
    "settle": Act(("job", "key", "verdict"), settling.preview, settling.settle),
}


def answer(view: View, place: str, tokens: RoleTokens, log: Log) -> Answer:
    """Answer a form: `preview/<act>` or `act/<act>`."""
    if not view.session.operator:
        raise PageError(403, "You are signed in as a viewer; an operator may do this.")
    name = view.rest[0] if len(view.rest) == 1 else ""
    act = ACTS.get(name)
    if act is None or place not in ("preview", "act"):
        raise PageError(404, "There is no such act.", {link("now"): "Now"})
    try:
        if place == "preview":
            return _preview(view, name, act, _parameters(view, act), tokens)
        return _confirmed(view, name, act, tokens, log)
    except REFUSALS as error:
        return _shown(view, 409, "Not done", refusal(str(error), back_of(view)))


def _parameters(view: View, act: Act) -> dict[str, str]:
    """The parameters in a form; of selected rows each. Raises PageError."""
    given = parameters_of(view.request.form, act.parameters)
    if selection.CHOSEN in act.parameters:
        each = (parameters_of({selection.CHOSEN: value}, act.parameters) for value in view.request.chosen)
        given = {selection.CHOSEN: selection.SEPARATOR.join(one[selection.CHOSEN] for one in each if one)}
    return given


def back_of(view: View) -> str:
    """The page that the form was on; a path of the console."""
    back = view.request.form.get("back", "")
    return back if back.startswith(f"{UI}/") and "\\" not in back and back.isprintable() else link("now")


def _preview(
    view: View, name: str, act: Act, parameters: dict[str, str], tokens: RoleTokens, status: int = 200, error: str = ""
) -> Answer:
    preview = act.preview(view, parameters)
    frozen = freeze(name, parameters, preview, view.now)
    body = dialog(view, preview, frozen, frozen.sealed(tokens, view.session), error, back_of(view))
    return _shown(view, status, preview.title, body)


def _confirmed(view: View, name: str, act: Act, tokens: RoleTokens, log: Log) -> Answer:
    frozen = opened(view.request.form.get("frozen", ""), name, tokens, view.session)
    if done := _result_of(view, frozen):
        return _shown(view, 200, "Carried out already", result(done, back_of(view), "Carried out already"))
    preview = act.preview(view, frozen.parameters)
    if view.now.timestamp() > frozen.expires:
        error = "The preview was older than five minutes. Nothing was done; this is how it is now."
        return _preview(view, name, act, frozen.parameters, tokens, 409, error)
    if preview.digest(name, frozen.parameters) != frozen.digest:
        error = "Something has changed since the preview. Nothing was done; this is how it is now."
        return _preview(view, name, act, frozen.parameters, tokens, 409, error)
    given, error = _given(view, preview, frozen)
    if given is None:
        return _preview(view, name, act, frozen.parameters, tokens, 422, error)
    if not _take(view, frozen):
        raise ActRefused(
            "This form is being carried out by another request, or that request was interrupted; "
            "look at the audit log before you open the dialog again."
        )
    try:
        text = act.perform(view, frozen.parameters, given)
    except REFUSALS as error_:
        _record(view, frozen, f"It was refused: {error_}")
        raise
    except ActIncomplete as error_:
        _record(view, frozen, str(error_))
        log.warning("console_act_incomplete", act=name, who=given.who, count=preview.count, error=str(error_))
        return _shown(view, 200, "Not all was done", incomplete(str(error_), back_of(view)))
    except Exception as error_:
        # The form would count as being carried out for an hour.
        _record(view, frozen, f"It failed: {error_text(error_)}; look at the audit log before you repeat it.")
        raise
    _record(view, frozen, text)
    log.info("console_act", act=name, who=given.who, count=preview.count)
    return _shown(view, 200, "Done", result(text, back_of(view)))


def _given(view: View, preview: Preview, frozen: Frozen) -> tuple[Given | None, str]:
    """The operator's entries, or what is wrong with them."""
    form = view.request.form
    reason = form.get("why", "").strip()[:MAX_REASON]
    required = preview.reason or preview.count > 1 or view.cloud.names.production
    if required and not reason:
        return None, "A reason is required; it is recorded in the audit log."
    if preview.typed and form.get("count", "").strip() != str(preview.count):
        return None, f"Type the number of items, {preview.count}, to confirm."
    until = None
    if preview.until and form.get("until"):
        try:
            until = view.now + duration.parse(form["until"])
        except (ValueError, OverflowError):
            return None, "The end is a duration such as 2h or 3d."
    return Given(f"{view.session.who} (console)", reason or "no reason was given", until, frozen.form), ""


def _take(view: View, frozen: Frozen) -> bool:
    """Take the form: of two requests with it, one acts."""
    expires = int((view.now + RETENTION).timestamp())
    return table.put_if_absent(view.cloud, STATE, {**keys.console("form", frozen.form).attributes, TTL: expires})


def _result_of(view: View, frozen: Frozen) -> str:
    return str(table.get(view.cloud, STATE, keys.console("form", frozen.form)).get("result", ""))


def _record(view: View, frozen: Frozen, text: str) -> None:
    # Without a condition: only the request that took the form writes this.
    key = keys.console("form", frozen.form)
    table.update(view.cloud, STATE, key, "SET #result = :text", {":text": text[:1000]}, names={"#result": "result"})


def _shown(view: View, status: int, title: str, body: Element) -> Answer:
    """The content of a dialog; a page of its own without script."""
    if view.request.fragment:
        return Answer(status, str(body))
    page = Page(title, body, status=status)
    content = layout.content(page)
    return Answer(status, str(layout.document(page, content, "", view.session, view.cloud.names, back_of(view))))
