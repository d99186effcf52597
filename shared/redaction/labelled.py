"""Find personal data by the label in front, in English and German.

`SSN: ...`, `Geburtsdatum: ...`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from shared.redaction.char_runs import Span, pattern
from shared.redaction.personal import NUMBER

# A label is searched where one of these occurs, in lower case.
STEMS = (
    *("ssn", "social", "sozialvers", "birth", "dob", "born", "geburt", "geboren", "passport", "reisepass", "ausweis"),
    *("phone", "telefon", "tel.", "tel:", "mobil", "handy", "fax", "steuer", "tax", "insurance", "versicherten"),
    *("krankenvers", "konto", "account n", "driver", "licence n", "license n", "licence-n", "license_n"),
    *("f\xfchrerschein", "national id", "national_id", "nhs", "identity card", "kundennummer", "routing n"),
    *("sort code", "bankleitzahl", "aadhaar"),
)
LABEL = (
    r"ssn|social[-_ ]?security|sozialversicherungs?|(?:date[-_ ]?of[-_ ]?)?birth[-_ ]?(?:date|day)?|dob|born"
    r"|geburts(?:datum|tag)|geboren|passport|reisepass|(?:personal)?ausweis|(?:tele|cell|mobile[-_ ]?)?phone|telefon"
    r"|tel\.?|mobil(?:e|funk|telefon)?|handy|(?:tele)?fax|steuer(?:[-_ ]?id|identifikations|[-_ ]?)"
    r"|tax(?:payer)?[-_ ]?id(?:entification)?|(?:national|health)[-_ ]?insurance|insurance|krankenversicherten"
    r"|krankenversicherungs|versicherten|konto|account|driver'?s?[-_ ]?licen[cs]e|licen[cs]e|f\xfchrerschein"
    r"|national[-_ ]?id|nhs|identity[-_ ]?card|kunden|routing|sort[-_ ]?code|bankleitzahl|aadhaar"
)
KIND = r"(?:[-_ ]?(?:no\.?|nos\.?|number|num|nummer|nr\.?|id|#|date|value)){0,2}"
JOINT = r"(?:\\*[\"'])?\s{0,3}(?:=>|[:=>]|%3[ad])\s{0,3}\\*[\"']?|[ \t](?:is|ist|lautet|am|on|was|war)[ \t]"
# A label of which a number in one of these forms needs no joint: `DOB 02/29/1984`, `SSN 078 05 1120`.
PERSONAL = (
    r"ssn|social[-_ ]?security|dob|(?:date[-_ ]?of[-_ ]?)?birth[-_ ]?(?:date|day)?|geburts(?:datum|tag)|nhs|aadhaar"
)
FORM = (
    r"\d{3}[ -]\d{2}[ -]\d{4}|\d{3}[ -]\d{3}[ -]\d{4}|\d{4}[ -]\d{4}[ -]\d{4}|\d{1,2}[./-]\d{1,2}[./-]\d{4}"
    r"|\d{4}-\d{2}-\d{2}"
)
# Words that contain a digit, or a date with a month's name.
NUMBERS = (
    r"\+?\(?[A-Za-z]{0,4}[ ]?\d[\dA-Za-z]*\)?"
    r"(?:[ ./-]{1,3}\(?[A-Za-z]?\d[\dA-Za-z]*\)?|[ -][A-Za-z](?=[ -]\d)){0,8}(?:[ -][A-Z](?![\w]))?"
)
DATE = r"\d{1,2}\.?[ -][A-Za-z\xe4]{3,9}\.?[ -]\d{2,4}|[A-Z][a-z]{2,8}\.? \d{1,2},? \d{4}"
BEFORE = r"(?:date[-_ ]?of[-_ ]?|tele|cell|mobile[-_ ]?|personal|health[-_ ]?|national[-_ ]?|kranken)\Z"
MIN_DIGITS = 4
# Characters from a label's stem to the first digit of its value, at most.
# A digit of another script is `?` in the image.
REACH = 120
DIGIT = re.compile(rb"[0-9?]")
AFTER = rf"(?P<label>{LABEL}){KIND}(?:(?:{JOINT})(?P<value>{DATE}|{NUMBERS})|[ \t](?P<form>{FORM})(?![\w-]))"


def spans(text: str, image: bytes) -> Iterator[Span]:
    done, digit = 0, -1
    for stem in _stems().finditer(image.lower()):
        start = stem.start()
        if start < done:
            continue
        if digit < start:
            found = DIGIT.search(image, start)
            if found is None:
                return
            digit = found.start()
        if digit - start > REACH:
            continue
        # A label may begin before its stem: `date of birth`, `telephone`.
        labelled = pattern(AFTER, re.IGNORECASE).match(text, _begin(text, start))
        if labelled and _is_personal(labelled):
            yield *labelled.span("value" if labelled["value"] else "form"), NUMBER
            done = labelled.end()


def _is_personal(labelled: re.Match[str]) -> bool:
    if labelled["value"]:
        return sum(map(str.isdigit, labelled["value"])) >= MIN_DIGITS
    return pattern(PERSONAL, re.IGNORECASE).fullmatch(labelled["label"]) is not None


@cache
def _stems() -> re.Pattern[bytes]:
    return re.compile("|".join(map(re.escape, STEMS)).encode("latin-1"))


def _begin(text: str, stem: int) -> int:
    """Start of a label: `birth` is the end of `date_of_birth`."""
    found = pattern(BEFORE, re.IGNORECASE).search(text[max(0, stem - 20) : stem])
    return stem - len(found[0]) if found else stem
