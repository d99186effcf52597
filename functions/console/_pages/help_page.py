"""Help: keys, states, and where to read more."""

from __future__ import annotations

from htpy import Node, code, div, fragment, h2, label, p, section
from htpy import input as input_element

from functions.console._html import layout, tables
from functions.console._html.badges import badge
from functions.console._view import Page, View
from shared.aws.names import LOCAL

KEYS = (
    ("?", "this page"),
    ("/", "search"),
    ("j k", "next and previous row"),
    ("Enter", "open the row's link"),
    ("x X", "select the row, select all rows"),
    ("r p t w", "retry, pause or resume, run now, why; of the focused row or of the page"),
    ("u", "times in UTC or in the zone of this browser"),
    (".", "switch the refresh off and on"),
    ("[ ]", "earlier and later day"),
    ("Esc", "close the dialog"),
)
STATES = (
    ("failing", "the last run was not good: failed, lost, refused, or done with a bad finding"),
    ("late", "a tick should have started more than five minutes ago and has left no trace"),
    ("running", "a run holds the lease"),
    ("paused", "by an operator or by the brake; a pause may have an end"),
    ("fine", "the last run was good"),
    ("not run yet", "no run is on record"),
)


def page(view: View) -> Page:
    places = (*layout.PLACES, *(layout.LOCAL_PLACES if view.stage == LOCAL else ()))
    going: list[tuple[str, Node]] = [(f"g {key}", text) for _, text, key in places]
    body = fragment[
        div(".columns")[
            section(".panel")[
                h2["Keys"],
                tables.facts([*((key, text) for key, text in KEYS), *going]),
                label(for_="keys-off")[
                    input_element("#keys-off", type="checkbox"), " Switch the keys off in this browser"
                ],
            ],
            section(".panel")[h2["States"], [p[badge(word), " ", text] for word, text in STATES]],
        ],
        section[
            h2["How it works"],
            p["Pages refresh every five seconds while they are visible, and every 30 after ten minutes without input."],
            p[
                "Every act shows first what it will do and to how many, with the equivalent command. "
                "A preview is valid for five minutes; if anything has changed by then, nothing is done, and the new "
                "preview is shown."
            ],
            p[
                "The same on the command line: ",
                code[view.command("status")],
                ", ",
                code[view.command("why", "JOB")],
                ".",
            ],
        ],
    ]
    return Page("Help", body)
