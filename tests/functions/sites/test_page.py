"""Parser of HTML pages: links, forms and visible text."""

from __future__ import annotations

from functions.sites._page import Form, HtmlPage

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
    assert form == Form("https://a.example/docs/in", "post", {"csrf": "t", "mail": "", "pw": ""}, "mail", "pw")


def test_a_form_without_action_sends_to_its_own_page() -> None:
    form = HtmlPage("<form><input type=password name=p>", URL).sign_in
    assert form is not None
    assert (form.action, form.method, form.user) == (URL, "get", "")
