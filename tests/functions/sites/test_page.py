"""Parser of HTML pages: links, forms and visible text."""

from __future__ import annotations

import pytest

from functions.sites._form import Form
from functions.sites._page import HtmlPage

URL = "https://a.example/docs/"


def test_text_is_what_is_shown_in_one_line() -> None:
    html = "<title>A</title>\n<p>one<b>two</b></p><p>three</p><script>no</script><style>no</style>"
    assert HtmlPage(html, URL).text == "A onetwo three"


def test_links_are_absolute_without_fragments_and_each_once() -> None:
    html = '<a href="x">1</a><a href="/y#z">2</a><a href="x#top">3</a><a href="//b.example/">4</a><a>5</a><a href>6</a>'
    assert HtmlPage(html, URL).links == [
        "https://a.example/docs/x",
        "https://a.example/y",
        "https://b.example/",
        "https://a.example/docs/",
    ]


def test_a_reference_that_cannot_be_is_passed_over() -> None:
    assert HtmlPage('<a href="http://[">x</a><form action="http://["></form>', URL).links == []


def test_the_sign_in_form_is_the_one_with_a_password() -> None:
    html = (
        '<form action="/search"><input name="q"></form>'
        '<form action="in" method="POST"><input type="hidden" name="csrf" value="t"><input type="email" name="mail">'
        '<input type="checkbox" name="stay" value="1"><input type="password" name="pw"><input type="submit" name="go">'
        "</form>"
    )
    form = HtmlPage(html, URL).sign_in
    assert form is not None
    assert (form.action, form.method, form.user, form.password) == ("https://a.example/docs/in", "post", "mail", "pw")
    # The button of a submission is part of it; an unchecked box is not.
    assert form.filled("ada", "secret") == [("csrf", "t"), ("mail", "ada"), ("pw", "secret"), ("go", "")]


@pytest.mark.parametrize(
    ("head", "link", "expected"),
    [
        ('<base href="/v2/docs/">', "intro", "https://a.example/v2/docs/intro"),
        ('<base target="_top"><base href="/one/"><base href="/two/">', "x", "https://a.example/one/x"),
        ('<base href="http://["><base href="/two/">', "x", "https://a.example/docs/x"),
        ('<base href="javascript:x">', "x", "https://a.example/docs/x"),
        ('<base href="data:text/html,x">', "x", "https://a.example/docs/x"),
        ('<base href="http://a b/">', "x", "https://a.example/docs/x"),
        ('<base href="//b.example/c/d">', "x", "https://b.example/c/x"),
        ('<base href="">', "x", "https://a.example/docs/x"),
        ("", " \tx\n", "https://a.example/docs/x"),
        ("", "\\y\\z?a\\b", "https://a.example/y/z?a\\b"),
        ("", "x&amp;y&copy;", "https://a.example/docs/x&y\u00a9"),
    ],
)
def test_links_are_resolved_as_browsers_do(head: str, link: str, expected: str) -> None:
    assert HtmlPage(f'<a href="{link}">before</a>{head}<a href="{link}">x</a>', URL).links == [expected]


def test_content_of_templates_is_no_part_of_the_page() -> None:
    html = (
        "<template><a href=t>t</a><form><input type=password name=p></form></template><noscript><a href=n></noscript>x"
    )
    page = HtmlPage(html, URL)
    assert (page.links, page.forms, page.text) == ([], [], "x")


def fields(html: str) -> list[tuple[str, str]]:
    form = HtmlPage(html, URL).sign_in
    assert form is not None
    return form.filled("ada", "secret")


PASSWORD = '<input name="p" type="password">'


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (f'<form><input name=u type="">{PASSWORD}</form>', [("u", "ada"), ("p", "secret")]),
        (f'<form><input name=u type="username">{PASSWORD}</form>', [("u", "ada"), ("p", "secret")]),
        (
            "<form id=f></form><input name=u form=f><input name=p type=PASSWORD form=f><input name=x form=g>",
            [("u", "ada"), ("p", "secret")],
        ),
        (f"<form><input name=u><input name=x form=none>{PASSWORD}</form>", [("u", "ada"), ("p", "secret")]),
        (
            f"<form><input name=u>{PASSWORD}<input type=submit name=go value=In><button name=other>",
            [("u", "ada"), ("p", "secret"), ("go", "In")],
        ),
        (
            f"<form><input name=u>{PASSWORD}<button type=button name=b><button name=go value=1>",
            [("u", "ada"), ("p", "secret"), ("go", "1")],
        ),
        (
            f"<form><input name=u>{PASSWORD}<input type=checkbox name=a><input type=checkbox name=b checked>",
            [("u", "ada"), ("p", "secret"), ("b", "on")],
        ),
        (
            f"<form><input name=u>{PASSWORD}<input type=radio name=r value=1><input type=radio name=r value=2 checked>",
            [("u", "ada"), ("p", "secret"), ("r", "2")],
        ),
        (
            f"<form><input name=u>{PASSWORD}<select name=s><option disabled value=0>-<option>one<option value=2>two</select>",  # noqa: E501 - markup in one line
            [("u", "ada"), ("p", "secret"), ("s", "one")],
        ),
        (
            f"<form><input name=u>{PASSWORD}<select name=s multiple><option selected>1<option>2<option selected>3</select>",  # noqa: E501 - markup in one line
            [("u", "ada"), ("p", "secret"), ("s", "1"), ("s", "3")],
        ),
        (
            f"<form><input name=u>{PASSWORD}<textarea name=t>\n x\ny</textarea>",
            [("u", "ada"), ("p", "secret"), ("t", " x\ny")],
        ),
        (
            f"<form><input name=u><input name=d value=1 disabled>{PASSWORD}<fieldset disabled><input name=e value=2></fieldset>",  # noqa: E501 - markup in one line
            [("u", "ada"), ("p", "secret")],
        ),
        (
            f"<form><input type=image name=i><input name=u>{PASSWORD}",
            [("i.x", "0"), ("i.y", "0"), ("u", "ada"), ("p", "secret")],
        ),
        (
            f"<form><input type=hidden name=t value=a><input type=hidden name=t value=b><input name=u>{PASSWORD}",
            [("t", "a"), ("t", "b"), ("u", "ada"), ("p", "secret")],
        ),
        (
            f"<form><input name=shop value=7><input name=user_login>{PASSWORD}<input name=captcha>",
            [("shop", "7"), ("user_login", "ada"), ("p", "secret"), ("captcha", "")],
        ),
    ],
)
def test_a_form_is_submitted_as_browsers_do(html: str, expected: list[tuple[str, str]]) -> None:
    assert fields(html) == expected


@pytest.mark.parametrize(
    "other",
    [
        '<form action="/register"><input name="mail"><input type="password" name="new"><button>Create account</button></form>',  # noqa: E501 - markup in one line
        '<form action="/a"><input name="u"><input type="password" name="new"><input type="password" name="again"></form>',  # noqa: E501 - markup in one line
        '<form action="/a"><input name="u"><input type="password" name="new" autocomplete="new-password"></form>',
        '<form action="/reset"><input type="password" name="new"></form>',
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_form_that_signs_in_is_chosen_in_any_order(other: str, order: int) -> None:
    sign_in = '<form action="/in"><input name="u"><input type="password" name="pw"><button>Log in</button></form>'
    form = HtmlPage("".join([other, sign_in][::order]), URL).sign_in
    assert form is not None
    assert form.password == "pw"


def test_the_default_button_may_change_action_method_and_encoding() -> None:
    form = HtmlPage(
        f"<form action=/a><input name=u>{PASSWORD}<button formaction=/b formmethod=POST formenctype=multipart/form-data>",  # noqa: E501 - markup in one line
        URL,
    ).sign_in
    assert form is not None
    assert (form.action, form.method) == ("https://a.example/b", "post")
    content_type, body = form.encode([("a", "\u00e9")], "utf-8")
    assert content_type.startswith("multipart/form-data; boundary=")
    assert 'name="a"\r\n\r\n\u00e9\r\n' in body


def test_fields_are_encoded_in_the_charset_of_the_page() -> None:
    form = Form("", "post")
    assert form.encode([("a b", "\u00e9\n\u20ac")], "iso-8859-1")[1] == "a+b=%E9%0D%0A%26%238364%3B"


def test_a_form_without_action_sends_to_its_own_page() -> None:
    form = HtmlPage("<form><input type=password name=p>", URL).sign_in
    assert form is not None
    assert (form.action, form.method, form.user) == (URL, "get", "")
