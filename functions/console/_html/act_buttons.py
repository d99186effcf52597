"""Buttons of acts, and selection of rows; viewers get none."""

from __future__ import annotations

from htpy import Node, button, div, form, span
from htpy import input as input_element

from functions.console._view import View, link

# Acts that a key of another one presses too; see the keys of the help page.
KEYS = {"resume": "resume pause", "retry-group": "retry-group retry"}


def act(view: View, name: str, text: str, **fields: str) -> Node:
    """A button of an act with its parameters."""
    if not view.session.operator:
        return None
    return form(method="post", action=link("preview", name), data_dialog=True)[
        (input_element(type="hidden", name=each, value=value) for each, value in fields.items()),
        input_element(type="hidden", name="back", value=view.request.url),
        button(type="submit", data_act=KEYS.get(name, name))[text],
    ]


def act_on_row(view: View, name: str, text: str, parameter: str, value: str) -> Node:
    """A button of a row, with the form of all rows.

    A form for each would be half of a long table.
    """
    if not view.session.operator:
        return None
    to = link("preview", name)
    return button(form="row", formaction=to, name=parameter, value=value, data_act=KEYS.get(name, name))[text]


def form_of_rows(view: View) -> Node:
    """The form of `act_on_row`."""
    if not view.session.operator:
        return None
    return form("#row", method="post", action=link("preview", "pause"), data_dialog=True)[
        input_element(type="hidden", name="back", value=view.request.url)
    ]


def choose(view: View, value: str) -> Node:
    """The box that selects a row, for `act_on_chosen`."""
    if not view.session.operator:
        return None
    return input_element(type="checkbox", name="chosen", value=value, form="chosen", aria_label=f"select {value}")


def act_on_chosen(view: View, *acts: tuple[str, str]) -> Node:
    """Buttons of acts on the selected rows, each with its text."""
    if not view.session.operator:
        return None
    return form("#chosen.buttons", method="post", action=link("preview", acts[0][0]), data_dialog=True)[
        input_element(type="hidden", name="back", value=view.request.url),
        span(".soft")["Selected rows:"],
        (button(type="submit", formaction=link("preview", name))[text] for name, text in acts),
    ]


def buttons(*acts: Node) -> Node:
    shown = [each for each in acts if each is not None]
    return div(".buttons")[shown] if shown else None
