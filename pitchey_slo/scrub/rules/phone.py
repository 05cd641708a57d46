"""Telephone numbers that exist in a number plan (Google's libphonenumber).

An international number (`+353 87 123 4567`) needs nothing else. A national one (`087 123 4567`) counts when it is
valid in one of the regions that are asked for and is written in that region's groups, or when a word such as "phone" or
"call" stands before it. So versions, dates, times, prices and identifiers stay."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from pitchey_slo.scrub.found import Found

REGIONS: Final = ("US", "GB", "IE", "DE", "FR", "ES", "IT", "NL", "AU", "IN", "BR", "IL", "JP", "CN")
_WORDS: Final = r"phone|telephone|tel|mobile|cell|call|called|calling|sms|fax|whatsapp|dial|dialed|msisdn|number"
_FREE: Final = r"(?:^|[^\w.\-/:]|[A-Za-z]:)"
GATES: Final = (
    r"\+\(?[1-9]",
    r"\b00[1-9][0-9]{0,2}[ ().\-/]",
    rf"{_FREE}\([0-9]{{2,5}}\) ?[0-9]",
    rf"{_FREE}[0-9]{{2,5}}[ .\-/][0-9]{{2,5}}[ .\-][0-9]{{3,5}}\b",
    rf"{_FREE}1[ .\-]\(?[2-9][0-9]{{2}}[ .\-)]",
    rf"{_FREE}0[0-9]{{1,4}}[ .\-/][0-9]{{5,8}}\b",
    rf"{_FREE}[0-9]{{3}}(?:[ \-][0-9]{{2}}){{3}}",
    rf"{_FREE}0[0-9](?:[ .\-][0-9]{{2}}){{4}}",
    rf"(?i)\b(?:{_WORDS})s?\b[^0-9\n]{{0,20}}[0-9(]",
)

_INTERNATIONAL: Final = re.compile(
    r"(?<![\w+.\-])(?:\+|00(?=[1-9]))\(?[1-9](?:[ ().\-/]{0,2}[0-9]){6,14}(?![0-9A-Za-z_])"
)
_NATIONAL: Final = re.compile(
    r"[0-9(](?<![\w.\-/+@#$].)(?<![0-9]:.)"
    r"(?:(?<=1)[ .\-]\(?[0-9]{2,5}\)?[ .\-]|(?<=\()[0-9]{2,5}\) ?|(?<=[0-9])[0-9]{1,4}[ .\-/])"
    r"[0-9]{2,8}(?:[ .\-][0-9]{2,5}){0,4}(?![\w]|[.\-/:,][0-9])"
)
_AFTER_WORD: Final = re.compile(
    rf"(?i)\b(?:{_WORDS})s?\b[^0-9A-Za-z\n]{{0,4}}(?:(?:is|at|was|no|nr|number|me|us|to|on)\b[^0-9A-Za-z\n]{{0,3}}){{0,3}}"
    r"(\(?[0-9][0-9 ().\-/]{5,17}[0-9])(?![\w])"
)
#: Dates, social security numbers and addresses of the internet: groups that no number plan has.
_NOT: Final = re.compile(
    r"(?:19|20)[0-9]{2}[ .\-/][01][0-9][ .\-/][0-3][0-9]|[0-3]?[0-9][.\-/][01]?[0-9][.\-/](?:19|20)[0-9]{2}"
    r"|[0-9]{3}([ .\-])[0-9]{2}\1[0-9]{4}$|(?:[0-9]{1,3}\.){3}[0-9]{1,3}$"
)
_GROUP: Final = re.compile(r"[0-9]+")


def find(text: str, regions: tuple[str, ...] = REGIONS) -> Iterator[Found]:
    for match in _INTERNATIONAL.finditer(text):
        number = _international(match.group())
        if number is not None:
            yield Found(match.start(), match.end(), "phone", number)
    for match in _NATIONAL.finditer(text):
        number = None if _NOT.match(match.group()) else _national(match.group(), regions, written=True)
        if number is not None:
            yield Found(match.start(), match.end(), "phone", number)
    for match in _AFTER_WORD.finditer(text):
        number = None if _NOT.match(match[1]) else _national(match[1], regions, written=False)
        if number is not None:
            yield Found(match.start(1), match.end(1), "phone", number)


def whole(text: str, regions: tuple[str, ...] = REGIONS) -> str | None:
    """The number in E.164 when `text` is one and nothing else, however it is written; None otherwise."""
    given = text.strip()
    return _international(given) if given.startswith("+") else _national(given, regions, written=False)


@functools.lru_cache(maxsize=8_192)
def _international(text: str) -> str | None:
    import phonenumbers

    plus = text if text.startswith("+") else "+" + text[2:]
    if not text.startswith("+") and text.isdigit():
        return None  # an identifier with zeros before it
    try:
        number = phonenumbers.parse(plus, None)
    except phonenumbers.NumberParseException:
        return None
    return _e164(number) if phonenumbers.is_valid_number(number) else None


@functools.lru_cache(maxsize=8_192)
def _national(text: str, regions: tuple[str, ...], *, written: bool) -> str | None:
    """E.164 of the first region that has such a number; `written`: only in the groups that are usual there."""
    import phonenumbers

    if not 8 <= sum(c.isdigit() for c in text) <= 13:
        return None
    for region in regions:
        if not _possible(text, region):
            continue
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number) and (not written or _usual(text, number)):
            return _e164(number)
    return None


def _possible(text: str, region: str) -> bool:
    """A quick look before the long one (60 us): the digits fit the region's plan, with or without what is dialled
    before them at home."""
    fits, prefix = _plan(region)
    digits = "".join(_GROUP.findall(text))
    return bool(
        fits(digits) or (prefix and digits.startswith(prefix) and fits(digits[len(prefix) :])) or fits(digits[1:])
    )


@functools.cache
def _plan(region: str) -> tuple[Callable[[str], Any], str | None]:
    from phonenumbers.phonemetadata import PhoneMetadata

    plan: Any = PhoneMetadata.metadata_for_region(region)
    return re.compile(plan.general_desc.national_number_pattern).fullmatch, plan.national_prefix


def _e164(number: Any) -> str:
    import phonenumbers

    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _usual(text: str, number: Any) -> bool:
    """True when the groups of `text` end where those of the region's own format end, or it begins with the 0 of a
    trunk call and has three groups and more."""
    import phonenumbers

    groups = _GROUP.findall(text)
    if groups[0] == "1" and number.country_code == 1:
        groups = groups[1:]
    if groups[0].startswith("0") and len(groups) > 2:
        return True
    usual = _GROUP.findall(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))
    ours, theirs = _ends(groups), _ends(usual)
    if len(groups) == 2:
        return ours <= theirs and (groups[0].startswith("0") or text.startswith("("))
    return ours == theirs


def _ends(groups: list[str]) -> set[int]:
    total, ends = 0, set()
    for group in groups:
        total += len(group)
        ends.add(total)
    return ends
