"""Personal data by its form: resident registration numbers, cards, phones, e-mail addresses, accounts.

A number counts only where it can be real: the date in it exists, its check digit is right, and it is none of
those that texts use as examples (0000, 1234-5678, example.com).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Final

from gukbap.config.cleaning import PersonalData

_RESIDENT = re.compile(r"(?<![\d-])(\d{2})(\d{2})(\d{2}) ?- ?([1-8])(\d{6})(?![\d-])")
#: century by the digit that also tells the sex; 9 and 0 (1800s) have nobody left
_CENTURIES: Final = {"1": 1900, "2": 1900, "5": 1900, "6": 1900, "3": 2000, "4": 2000, "7": 2000, "8": 2000}
_RESIDENT_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
#: since then the last digits are drawn, and check nothing (Resident Registration Act, Enforcement Rule)
_WITHOUT_CHECK_DIGIT = date(2020, 10, 5)

_DASHES = re.compile("[‐-―−]")

_CARD = re.compile(r"(?<![\d-])[3-6]\d{3}([- ])\d{4}\1\d{4}\1\d{4}(?![\d-])|(?<![\d-])[3-6]\d{15}(?![\d-])")
_AREA = r"(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|50[2-8])"
_PHONE = re.compile(
    r"(?<![\d-])(?:(?:\+82|82(?=[-)]))[-) ]{0,2}1|01)[016789] ?[-.)]? ?\d{3,4} ?[-.]? ?\d{4}(?![\d-])"
    rf"|(?<![\d-])(?:\+82[-) ]{{0,2}}|0){_AREA}[-). ] ?\d{{3,4}}[-. ]\d{{4}}(?![\d-])"
    r"|(?<![\d.-])0(?:3[1-3]|4[1-4]|5[1-5]|6[1-4]|70)\d{7,8}(?![\d-])"
)
_EMAIL = re.compile(
    r"(?<![\w.+-])([a-z0-9][\w.+-]{0,63})(@| @ ?| ?[(\[]at[)\]] ?| ?골뱅이 ?)"
    r"((?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,12})(?![A-Za-z0-9-])",
    re.I,
)
#: a name that is one and no word: "see @gukbap.kr" names a site
_NO_WORD = re.compile(r"[\d._+-]")
_BANK = (
    "국민|신한|우리|하나|농협|기업|산업|수협|신협|우체국|새마을금고|카카오뱅크|케이뱅크|토스뱅크|제일|씨티|부산은행|대구은행"
    "|경남은행|광주은행|전북은행|제주은행|KB|NH|IBK|SC"
)
_ACCOUNT = re.compile(
    rf"(?:(?:{_BANK})(?:은행|뱅크)?|계좌(?:\s?번호)?)[\s:은는(]{{0,4}}(\d{{2,6}}-\d{{2,6}}-\d{{2,7}}(?:-\d{{1,3}})?)(?![\d-])"
    # Several banks' names are plain words, too; without hyphens nothing else tells an account.
    r"|(?:은행|뱅크|우체국|금고|농협|신협|계좌(?:\s?번호)?)[\s:은는(]{0,4}(\d{10,14})(?![\d-])"
)
_ACCOUNT_DIGITS = range(10, 15)

#: RFC 2606, and what Korean texts put in its place
_EXAMPLE_DOMAIN = re.compile(
    r"(?:^|\.)(?:example|test|sample|domain|email|company|mail|abc|xyz)\.|\.(?:test|example|invalid)$", re.I
)
_EXAMPLE_NAME = re.compile(
    r"^(?:example|test|sample|user|username|your|name|abc|xxx|email|hong|gildong)", re.I
)


def personal_data(text: str, kind: PersonalData) -> str | None:
    """The first piece of personal data of a kind in a text, most of it hidden; None without one."""
    plain = _DASHES.sub("-", unicodedata.normalize("NFKC", text))
    return next(map(_hidden, _FINDERS[kind](plain)), None)


def _residents(text: str) -> Iterator[str]:
    for found in _RESIDENT.finditer(text):
        year, month, day, century, _ = found.groups()
        try:
            born = date(_CENTURIES[century] + int(year), int(month), int(day))
        except ValueError:
            continue
        digits = re.sub(r"\D", "", found[0])
        if born <= date.today() and (born >= _WITHOUT_CHECK_DIGIT or _resident_checks(digits)):
            yield found[0]


def _resident_checks(digits: str) -> bool:
    total = sum(weight * int(digit) for weight, digit in zip(_RESIDENT_WEIGHTS, digits, strict=False))
    return (11 - total % 11) % 10 == int(digits[-1])


def _cards(text: str) -> Iterator[str]:
    for found in _CARD.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        if _luhn(digits) and not _made_up(digits):
            yield found[0]


def _luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, Annex B."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _phones(text: str) -> Iterator[str]:
    return (found[0] for found in _PHONE.finditer(text) if not _made_up(re.sub(r"\D", "", found[0])[-8:]))


def _emails(text: str) -> Iterator[str]:
    for found in _EMAIL.finditer(text):
        name, at, domain = found.groups()
        is_site = at.startswith(" @") and not _NO_WORD.search(name)
        if not is_site and not _EXAMPLE_NAME.search(name) and not _EXAMPLE_DOMAIN.search(domain):
            yield found[0]


def _accounts(text: str) -> Iterator[str]:
    for found in _ACCOUNT.finditer(text):
        digits = re.sub(r"\D", "", found[1] or found[2])
        # A bank's own first digits may well be one digit four times (3333).
        if len(digits) in _ACCOUNT_DIGITS and not _made_up(digits[4:]):
            yield found[1] or found[2]


def _made_up(digits: str) -> bool:
    """Whether digits are an example's: counted up or down, or one digit four times in a row."""
    return bool(re.search(r"(\d)\1{3}", digits)) or any(
        run in digits for run in ("1234", "2345", "3456", "4567", "5678", "6789", "9876", "8765", "4321")
    )


def _hidden(found: str) -> str:
    return re.sub(r"\w", "•", found[2:]).join((found[:2], ""))


_FINDERS: Final[Mapping[PersonalData, Callable[[str], Iterator[str]]]] = {
    "resident_number": _residents,
    "card": _cards,
    "phone": _phones,
    "email": _emails,
    "account": _accounts,
}
