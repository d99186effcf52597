"""Buttons that open the preview of an act; viewers get none."""

from __future__ import annotations

from htpy import Node, button, div, form
from htpy import input as input_element

from functions.console._view import View, link


def act(view: View, name: str, text: str, **fields: str) -> Node:
    """A button of an act with its parameters."""
    if not view.session.operator:
        return None
    return form(method="post", action=link("preview", name), data_dialog=True)[
        (input_element(type="hidden", name=each, value=value) for each, value in fields.items()),
        input_element(type="hidden", name="back", value=view.request.url),
        button(type="submit", data_act=name)[text],
    ]


def buttons(*acts: Node) -> Node:
    shown = [each for each in acts if each is not None]
    return div(".buttons")[shown] if shown else None
