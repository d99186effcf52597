"""What belongs to a person: addresses, telephone numbers, and numbers of cards and accounts that check out."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_uppercase, digits

from shared.redaction.char_runs import Span, kind, pattern, stretches

E_MAIL = "[e-mail]"
NUMBER = "[number]"

# Also in the full width of East Asian text, as JSON and as HTML.
AT = ("@", "\uff20", "\\u0040", "&#64;")
# RFC 5321 says 64; we look no further back than this.
LONGEST_LOCAL = 256
# Of the text before the sign, read backwards: `"john doe"`, or whatever stands together. What the RFCs allow but URLs
# and prose use to separate (/ ? & # = ...) ends it, but for the `ada=example.org` of a bounce address.
NEITHER = r"\s\"'<>()\[\]{},;:|\\/?&#=@`\x00-\x1f\uff0c\u3002\uff1a\uff1b\uff08\uff09\u300c\u300d\u3001"
LOCAL = rf"\\?\"(?:\"\\|[^\"\r\n]){{1,128}}\"|(?:[^{NEITHER}]|[0-9a-fA-F]{{4}}u\\)+(?:=[^{NEITHER}]*\.[^{NEITHER}]*)?"
# Letters of every script with their marks, which \w has not.
LABEL = r"(?:[^\x00-\x2c./:-@\[-^`{-\x7f\s\u3002\uff0c\uff0e]|\\u(?!0040)[0-9a-fA-F]{4}){1,63}"
TOP = r"(?:(?:[^\x00-@\[-`{-\x7f\s\u3002\uff0c\uff0e]|\\u[0-9a-fA-F]{4}){2,63}|xn--[\w-]+)"
DOMAIN = rf"(?:{LABEL}[.\u3002\uff0e]){{1,20}}{TOP}|\[(?:IPv6:)?[0-9A-Fa-f.:]{{3,45}}\]"

# As cards are printed: all together, or in groups of four, or of four, six and the rest.
CARD = (
    r"(?<![0-9])(?<![0-9][.,])(?=([0-9]{14,19}|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5}"
    r"|[0-9]{4}([ -])[0-9]{4}\3[0-9]{4}\3[0-9]{4}(?:\3[0-9]{3})?)(?![0-9])(?![.,][0-9]))"
)
DIGITS = kind("0123456789 -")
SHORTEST_CARD = 14
# Issuers' first digits by length: Diners Club; American Express; Visa, Mastercard, Maestro, JCB, Discover, UnionPay.
# Source: ISO/IEC 7812 ranges as the networks publish them. Visa's 13 digits are gone since the 1990s.
ISSUERS = {
    14: r"3(?:0[0-5]|[689])",
    15: r"3[47]",
    16: r"4|5[0-8]|2(?:2(?:2[1-9]|[3-9])|[3-6]|7(?:[01]|20))|35(?:2[89]|[3-8])|6",
    19: r"4|62|5[0678]|6[37]",
}
IBAN = r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?:[ -]?[0-9A-Z]{4}){2,7}(?:[ -]?[0-9A-Z]{1,3})?(?![0-9A-Za-z])"
SHORTEST_IBAN = 15
# What each begins with: two capitals and two digits.
BEGINNING = b"AA00"
BEGINNINGS = bytes(
    ord("A") if chr(code) in ascii_uppercase else ord("0") if chr(code) in digits else ord(" ") for code in range(256)
)
# E.164 with its plus: eight digits or more, in groups.
PHONE = r"\+(?<![\w)+.].)[1-9][0-9]{0,3}(?:[ \xa0./-]?(?:\([0-9]{1,5}\)|[0-9]{1,12})){1,6}(?![0-9\w:])"
FEWEST_DIGITS, MOST_DIGITS = 8, 15


def spans(text: str, image: bytes) -> Iterator[Span]:
    for sign in AT:
        if sign in text:
            yield from _addresses(text, sign)
    for start, end in stretches(image, DIGITS, SHORTEST_CARD):
        for found in pattern(CARD).finditer(text, start, end):
            length = _card(found[1])
            if length:
                yield found.start(), found.start() + length, NUMBER
    begins = image.translate(BEGINNINGS)
    if BEGINNING in begins:
        yield from _accounts(text, begins)
    if "+" in text:
        for found in pattern(PHONE).finditer(text):
            if FEWEST_DIGITS <= sum(map(str.isdigit, found[0])) <= MOST_DIGITS:
                yield *found.span(), NUMBER


def is_card(number: int) -> bool:
    printed = str(abs(number))
    return len(printed) >= SHORTEST_CARD and _card(printed) == len(printed)


def _addresses(text: str, sign: str) -> Iterator[Span]:
    at = text.find(sign)
    while at >= 0:
        after = at + len(sign)
        domain = pattern(DOMAIN).match(text, after)
        local = domain and pattern(LOCAL).match(text[max(0, at - LONGEST_LOCAL) : at][::-1])
        if domain and local:
            after = domain.end()
            yield at - local.end(), after, E_MAIL
        at = text.find(sign, after)


def _accounts(text: str, begins: bytes) -> Iterator[Span]:
    at = begins.find(BEGINNING)
    while at >= 0:
        found = pattern(IBAN).match(text, at)
        length = _iban(found[0]) if found else 0
        if length:
            yield at, at + length, NUMBER
        at = begins.find(BEGINNING, at + len(BEGINNING))


def _card(printed: str) -> int:
    """How much of it is a card's number; 0 where none is. A security code may follow, which is let be."""
    number = ""
    for place, character in enumerate(printed, 1):
        if character.isdigit():
            number += character
            ends = place == len(printed) or not printed[place].isdigit()
            if ends and len(number) in ISSUERS and pattern(ISSUERS[len(number)]).match(number) and _luhn(number):
                return place
    return 0


def _luhn(number: str) -> bool:
    """Source: ISO/IEC 7812-1, annex B."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in number[-2::-2])
    return (sum(map(int, number[-1::-2])) + sum(doubled)) % 10 == 0


def _iban(printed: str) -> int:
    """How much of it is an account's number: words that follow it in capitals may have been taken along.

    Source: ISO 13616, the check digits by ISO 7064 MOD 97-10.
    """
    end = len(printed)
    while end > 0:
        plain = printed[:end].replace(" ", "").replace("-", "")
        if len(plain) < SHORTEST_IBAN:
            return 0
        if int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1:
            return end
        end = max(printed.rfind(" ", 0, end), printed.rfind("-", 0, end))
    return 0
