"""Find personal data: e-mail addresses, and telephone, card and account numbers."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_letters, digits

from shared.redaction.char_runs import Span, char_class, pattern, runs

E_MAIL = "[e-mail]"
NUMBER = "[number]"

# Also in full width (East Asian text), as a JSON escape and as an HTML entity.
AT = ("@", "\uff20", "\\u0040", "&#64;")
# RFC 5321 allows 64; no text further back is read.
MAX_LOCAL = 256
# The local part, matched backwards from the @ sign: `"john doe"`, or a word. Characters that the RFCs allow but that
# separate words in URLs and prose (/ ? & # = ...) end it, except in the `ada=example.org` of a bounce address.
ENDS = r"\s\"'<>()\[\]{},;:|\\/?&#=@`\x00-\x1f\uff0c\u3002\uff1a\uff1b\uff08\uff09\u300c\u300d\u3001"
LOCAL = rf"\\?\"(?:\"\\|[^\"\r\n]){{1,128}}\"|(?:[^{ENDS}]|[0-9a-fA-F]{{4}}u\\)+(?:=[^{ENDS}]*\.[^{ENDS}]*)?"
# Letters of all scripts with combining marks, which \w does not match.
LABEL = r"(?:[^\x00-\x2c./:-@\[-^`{-\x7f\s\u3002\uff0c\uff0e]|\\u(?!0040)[0-9a-fA-F]{4}){1,63}"
TOP = r"(?:(?:[^\x00-@\[-`{-\x7f\s\u3002\uff0c\uff0e]|\\u[0-9a-fA-F]{4}){2,63}|xn--[\w-]+)"
DOMAIN = rf"(?:{LABEL}[.\u3002\uff0e]){{1,20}}{TOP}|\[(?:IPv6:)?[0-9A-Fa-f.:]{{3,45}}\]"

# Card numbers in one piece, in groups of four, or in groups of four, six and the rest.
CARD = (
    r"(?<![0-9])(?<![0-9][.,])(?=([0-9]{14,19}|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5}"
    r"|[0-9]{4}([ -])[0-9]{4}\3[0-9]{4}\3[0-9]{4}(?:\3[0-9]{3})?)(?![0-9])(?![.,][0-9]))"
)
DIGITS = char_class("0123456789 -")
MIN_CARD = 14
# Issuers' first digits by length: Diners Club; American Express; Visa, Mastercard, Maestro, JCB, Discover, UnionPay.
# Source: ISO/IEC 7812 ranges as the networks publish them. Visa has issued no 13 digits since the 1990s.
ISSUERS = {
    14: r"3(?:0[0-5]|[689])",
    15: r"3[47]",
    16: r"4|5[0-8]|2(?:2(?:2[1-9]|[3-9])|[3-6]|7(?:[01]|20))|35(?:2[89]|[3-8])|6",
    19: r"4|62|5[0678]|6[37]",
}
IBAN = r"(?<![0-9A-Za-z])[A-Za-z]{2}[0-9]{2}(?:[ -]?[0-9A-Za-z]{4}){2,7}(?:[ -]?[0-9A-Za-z]{1,3})?(?![0-9A-Za-z])"
# Lengths by country, of the IBAN registry: digits and small letters are also words, ids and digests.
IBAN_LENGTHS = {
    code: int(length)
    for length, codes in (
        line.split(maxsplit=1)
        for line in (
            "15 NO",
            "16 BE",
            "18 DK FI FO GL NL SD FK",
            "19 MK SI",
            "20 AT BA EE KZ LT LU XK MN",
            "21 CH HR LI LV",
            "22 BG BH CR DE GB GE IE ME RS VA",
            "23 AE GI IL IQ OM TL SO",
            "24 AD CZ ES MD PK RO SA SE SK TN VG",
            "25 LY PT ST",
            "26 IS TR",
            "27 BI DJ FR GR IT MC MR SM",
            "28 AL AZ BY CY DO GT HU LB NI PL SV",
            "29 BR EG PS QA UA",
            "30 JO KW MU YE",
            "31 MT SC",
            "32 LC",
            "33 RU",
        )
    )
    for code in codes.split()
}
MIN_IBAN = 15
# Letters as numbers for the check digits: A is 10, Z is 35.
IBAN_DIGITS = {ord(letter): str(int(letter, 36)) for letter in ascii_letters}
# Each IBAN begins with two letters and two digits.
IBAN_START = b"AA00"
IBAN_CLASSES = bytes(
    ord("A") if chr(code) in ascii_letters else ord("0") if chr(code) in digits else ord(" ") for code in range(256)
)
# E.164 with its plus: eight digits or more, in groups.
PHONE = r"\+(?<![\w)+.].)[1-9][0-9]{0,3}(?:[ \xa0./-]?(?:\([0-9]{1,5}\)|[0-9]{1,12})){1,6}(?![0-9\w:])"
MIN_DIGITS, MAX_DIGITS = 8, 15


def spans(text: str, image: bytes) -> Iterator[Span]:
    for at_sign in AT:
        if at_sign in text:
            yield from _addresses(text, at_sign)
    for start, end in runs(image, DIGITS, MIN_CARD):
        for match in pattern(CARD).finditer(text, start, end):
            length = _card(match[1])
            if length:
                yield match.start(), match.start() + length, NUMBER
    begins = image.translate(IBAN_CLASSES)
    if IBAN_START in begins:
        yield from _accounts(text, begins)
    if "+" in text:
        for match in pattern(PHONE).finditer(text):
            if MIN_DIGITS <= sum(map(str.isdigit, match[0])) <= MAX_DIGITS:
                yield *match.span(), NUMBER


def is_card(number: int) -> bool:
    """Whether an integer is a card number."""
    printed = str(abs(number))
    return len(printed) >= MIN_CARD and _card(printed) == len(printed)


def _addresses(text: str, at_sign: str) -> Iterator[Span]:
    at = text.find(at_sign)
    while at >= 0:
        after = at + len(at_sign)
        domain = pattern(DOMAIN).match(text, after)
        local = domain and pattern(LOCAL).match(text[max(0, at - MAX_LOCAL) : at][::-1])
        if domain and local:
            after = domain.end()
            yield at - local.end(), after, E_MAIL
        at = text.find(at_sign, after)


def _accounts(text: str, begins: bytes) -> Iterator[Span]:
    at = begins.find(IBAN_START)
    while at >= 0:
        match = pattern(IBAN).match(text, at)
        length = _iban(match[0]) if match else 0
        if length:
            yield at, at + length, NUMBER
        at = begins.find(IBAN_START, at + len(IBAN_START))


def _card(printed: str) -> int:
    """Length of the card number at the start of the text.

    0 without one. A security code may follow; it is not redacted.
    """
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
    """Length of the IBAN at the start of the text, or 0.

    Words in capitals that follow it are not counted.

    Source: ISO 13616, the check digits by ISO 7064 MOD 97-10.
    """
    end = len(printed)
    while end > 0:
        plain = printed[:end].replace(" ", "").replace("-", "")
        if len(plain) < MIN_IBAN:
            return 0
        known = plain.isupper() or IBAN_LENGTHS.get(plain[:2].upper()) == len(plain)
        if known and int((plain[4:] + plain[:4]).translate(IBAN_DIGITS)) % 97 == 1:
            return end
        end = max(printed.rfind(" ", 0, end), printed.rfind("-", 0, end))
    return 0
