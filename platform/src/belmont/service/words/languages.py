"""The languages there are, and which of them a person reads.

1. What was chosen on the page counts first (query), then what was chosen before (cookie), then what the browser asks
   for. A query or a cookie that names no language of ours says nothing.
2. ``Accept-Language`` is read as RFC 9110, 12.5.4, and matched by lookup as RFC 4647, 3.4: ``de-CH, zh-TW;q=0.8`` finds
   Chinese. Whatever is malformed is left out; at most ``MOST_RANGES`` are looked at.
3. Whoever reads Chinese gets Simplified Chinese, in Traditional regions too: it is nearer than English.
"""

from dataclasses import dataclass

from babel import Locale

from belmont.service.words.errors import UnknownLanguage

MOST_RANGES = 32
MOST_LETTERS = 1_000


@dataclass(frozen=True)
class Language:
    """One of ours."""

    code: str
    """BCP 47: what ``<html lang>`` and the cookie hold."""
    own_name: str
    """What its readers call it."""
    locale_name: str
    """Babel's data for numbers and lists."""
    folder: str | None
    """Its catalogues in ``locale/``; None where messages are said as they are."""
    day_pattern: str
    """CLDR date pattern."""

    @property
    def locale(self) -> Locale:
        """Babel's data."""
        return Locale.parse(self.locale_name)


ENGLISH = Language("en", "English", "en_GB", None, "d MMMM y")
CHINESE = Language("zh-Hans", "简体中文", "zh_Hans", "zh_Hans", "y年M月d日")
LANGUAGES = {each.code: each for each in (ENGLISH, CHINESE)}
DEFAULT = ENGLISH.code
_BY_PRIMARY = {"en": ENGLISH.code, "zh": CHINESE.code}


def language(code: str) -> Language:
    """Raises UnknownLanguage."""
    try:
        return LANGUAGES[code]
    except KeyError:
        raise UnknownLanguage(
            f"there is no catalogue for {code[:20]!r}: languages are {', '.join(LANGUAGES)}"
        ) from None


def negotiate(*, query: str | None = None, cookie: str | None = None, accept: str | None = None) -> str:
    """The code of the language to speak (1). Never fails."""
    for chosen in (query, cookie):
        if chosen in LANGUAGES:
            return str(chosen)
    return _accepted(accept or "")


def _accepted(header: str) -> str:
    """Rule 2."""
    ranges = []
    for place, part in enumerate(header[:MOST_LETTERS].split(",")[:MOST_RANGES]):
        tag, _, rest = part.strip().partition(";")
        quality = _quality(rest)
        primary = tag.strip().lower().split("-", 1)[0]
        if quality > 0 and primary in _BY_PRIMARY:
            ranges.append((-quality, place, _BY_PRIMARY[primary]))  # 3
    return min(ranges)[2] if ranges else DEFAULT


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if not name.strip():
        return 1.0
    try:
        quality = float(value) if name.strip().lower() == "q" and len(value.strip()) <= 5 else 0.0
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
