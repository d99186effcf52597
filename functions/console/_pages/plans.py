"""Plans: make one by the command line, review it, apply it."""

from __future__ import annotations

from htpy import Element, Node, a, button, div, form, fragment, h2, label, li, p, pre, section, ul
from htpy import input as input_element

from functions.console._html import tables, timestamps
from functions.console._html.act_buttons import act, buttons
from functions.console._request import PageError
from functions.console._view import Page, View, link
from shared.job import job_details
from shared.plans import plan as stored_plans
from shared.plans.plan import Plan, PlanRefused, UnknownPlan
from shared.store import keys, table
from shared.tables import STATE


def page(view: View) -> Page:
    """At most one call.

    The plan of the path, or the brake's plans for a job of the query.
    """
    wanted = "/".join(view.rest) or view.parameter("plan")
    if wanted:
        return _one(view, wanted)
    given = view.parameter("job")
    name = view.job(given)[0] if given else ""
    known = job_details.load().get(name)
    if known and not known["applicable"]:
        raise PageError(404, f"{name} has no plans.", {link("jobs", name): name})
    body = fragment[
        section(".panel")[
            h2["Make a plan"],
            p["A dry run needs the code of its job, which is not part of the console. In a shell:"],
            tables.command(view.command(name or "JOB", "--dry-run")),
            p["It changes nothing, and prints the id of its plan. A plan may be applied for a day."],
        ],
        _braked(view, name) if name else None,
        _search(),
    ]
    return Page(f"Plans of {name}" if name else "Plans", body)


def _one(view: View, plan_id: str) -> Page:
    try:
        stored = stored_plans.load(view.cloud, plan_id)
    except (UnknownPlan, PlanRefused) as error:
        raise PageError(404, f"{str(error)[:1].upper()}{str(error)[1:]}.", {link("plans"): "Plans"}) from None
    body = fragment[
        p(".lead")[f"{sum(stored.counts.values()):,} actions, which {stored.job} would do."],
        _facts(view, stored),
        section(".panel")[h2["Actions"], pre(tabindex="0")["\n".join(stored.lines())]],
        buttons(act(view, "apply", "Apply", plan=stored.id)),
        p(".soft")["The same in a shell:"],
        tables.command(view.command("apply", stored.id)),
    ]
    return Page(f"Plan {stored.id}", body)


def _facts(view: View, stored: Plan) -> Element:
    return tables.facts(
        [
            ("Job", a(href=link("jobs", stored.job))[stored.job]),
            ("Target", "" if stored.target == "-" else stored.target),
            ("Made", timestamps.at(stored.made, view.now)),
            ("By", stored.who),
            ("Of what was due by", stored.cutoff),
            ("Valid until", timestamps.at(stored.until, view.now)),
            ("Begun by run", stored.begun),
        ]
    )


def _braked(view: View, name: str) -> Node:
    rows = table.query(view.cloud, STATE, "pk = :pk", {":pk": keys.brakes(name)})
    found = [str(row["plan"]) for row in rows if row.get("plan")]
    if not found:
        return None
    return section(".panel")[
        h2["Made by the brake"],
        p["The job was about to do unusually much, and paused itself. This is what it would have done:"],
        ul[(li[a(href=link("plans", each))[each]] for each in found)],
    ]


def _search() -> Element:
    return form(".filters", method="get", action=link("plans"), role="search")[
        div[
            label(for_="plan")["Id of a plan"],
            input_element("#plan", type="search", name="plan", required=True, maxlength="200", autocomplete="off"),
        ],
        button(type="submit")["Show"],
    ]
