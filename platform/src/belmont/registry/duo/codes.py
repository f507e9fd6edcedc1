"""Codes of diseases, countries and institutions, and how they stand in the contract's words.

A disease is the number of a MONDO term, a country its ISO 3166-1 numeric code, an institution the number in its ROR
identifier (seven base-32 digits, of which the first is 0). Countries are bits of four words, so that any set of them
fits; diseases and institutions are lanes of 32 bits, eight to a word, lowest first, and 0 is nothing.
"""

from collections.abc import Iterable
from typing import Final

from belmont.registry.errors import RegistryArgumentError

LANES: Final = 8
LANE_BITS: Final = 32
COUNTRY_WORDS: Final = 4
COUNTRIES: Final = 256 * COUNTRY_WORDS
"""Numbers that there is a bit for."""
_ROR_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_ISO_3166 = """
AD020 AE784 AF004 AG028 AI660 AL008 AM051 AO024 AQ010 AR032 AS016 AT040 AU036 AW533 AX248 AZ031 BA070 BB052
BD050 BE056 BF854 BG100 BH048 BI108 BJ204 BL652 BM060 BN096 BO068 BQ535 BR076 BS044 BT064 BV074 BW072 BY112
BZ084 CA124 CC166 CD180 CF140 CG178 CH756 CI384 CK184 CL152 CM120 CN156 CO170 CR188 CU192 CV132 CW531 CX162
CY196 CZ203 DE276 DJ262 DK208 DM212 DO214 DZ012 EC218 EE233 EG818 EH732 ER232 ES724 ET231 FI246 FJ242 FK238
FM583 FO234 FR250 GA266 GB826 GD308 GE268 GF254 GG831 GH288 GI292 GL304 GM270 GN324 GP312 GQ226 GR300 GS239
GT320 GU316 GW624 GY328 HK344 HM334 HN340 HR191 HT332 HU348 ID360 IE372 IL376 IM833 IN356 IO086 IQ368 IR364
IS352 IT380 JE832 JM388 JO400 JP392 KE404 KG417 KH116 KI296 KM174 KN659 KP408 KR410 KW414 KY136 KZ398 LA418
LB422 LC662 LI438 LK144 LR430 LS426 LT440 LU442 LV428 LY434 MA504 MC492 MD498 ME499 MF663 MG450 MH584 MK807
ML466 MM104 MN496 MO446 MP580 MQ474 MR478 MS500 MT470 MU480 MV462 MW454 MX484 MY458 MZ508 NA516 NC540 NE562
NF574 NG566 NI558 NL528 NO578 NP524 NR520 NU570 NZ554 OM512 PA591 PE604 PF258 PG598 PH608 PK586 PL616 PM666
PN612 PR630 PS275 PT620 PW585 PY600 QA634 RE638 RO642 RS688 RU643 RW646 SA682 SB090 SC690 SD729 SE752 SG702
SH654 SI705 SJ744 SK703 SL694 SM674 SN686 SO706 SR740 SS728 ST678 SV222 SX534 SY760 SZ748 TC796 TD148 TF260
TG768 TH764 TJ762 TK772 TL626 TM795 TN788 TO776 TR792 TT780 TV798 TW158 TZ834 UA804 UG800 UM581 US840 UY858
UZ860 VA336 VC670 VE862 VG092 VI850 VN704 VU548 WF876 WS882 YE887 YT175 ZA710 ZM894 ZW716
"""
_NUMERIC: Final = {each[:2]: int(each[2:]) for each in _ISO_3166.split()}
_ALPHA_2: Final = {number: letters for letters, number in _NUMERIC.items()}


def diseases(*curies: str) -> frozenset[int]:
    """``diseases("MONDO:0007254")``: the numbers of MONDO terms."""
    found = set()
    for curie in curies:
        prefix, _, digits = curie.partition(":")
        if prefix != "MONDO" or len(digits) != 7 or not (digits.isascii() and digits.isdigit()) or not int(digits):
            raise RegistryArgumentError(f"{curie!r} is no MONDO term: write MONDO: and seven digits.")
        found.add(int(digits))
    return frozenset(found)


def mondo(number: int) -> str:
    """``MONDO:0007254`` of a number."""
    return f"MONDO:{number:07d}"


def countries(*letters: str) -> frozenset[int]:
    """``countries("DE", "AT")``: the ISO 3166-1 numeric codes of countries given by their two letters."""
    unknown = [each for each in letters if each not in _NUMERIC]
    if unknown:
        raise RegistryArgumentError(f"{', '.join(map(repr, unknown))}: no country's ISO 3166-1 alpha-2 code.")
    return frozenset(_NUMERIC[each] for each in letters)


def country(number: int) -> str:
    """``DE`` of 276; the number itself where ISO has assigned none."""
    return _ALPHA_2.get(number, f"{number:03d}")


def is_country(value: object) -> bool:
    """Whether there is a bit for it. Which countries there are is not checked: others may know newer ones."""
    return isinstance(value, int) and 0 <= value < COUNTRIES


def is_lane(value: object) -> bool:
    """Whether it is a code that a lane can hold."""
    return isinstance(value, int) and 0 < value < 1 << LANE_BITS


def institution(ror: str) -> int:
    """``institution("https://ror.org/00f54p054")``, or its last nine letters: the number of a ROR identifier."""
    text = ror.removeprefix("https://ror.org/").lower()
    if len(text) == 9 and text[0] == "0" and all(each in _ROR_DIGITS for each in text):
        number = 0
        for each in text[:7]:
            number = number * 32 + _ROR_DIGITS.index(each)
        if number and text[7:] == _ror_check(number):
            return number
    raise RegistryArgumentError(f"{ror!r} is no ROR identifier: look the institution up at ror.org.")


def ror(number: int) -> str:
    """``https://ror.org/00f54p054`` of a number."""
    digits = "".join(_ROR_DIGITS[number >> 5 * place & 31] for place in reversed(range(7)))
    return f"https://ror.org/{digits}{_ror_check(number)}"


def to_lanes(codes: Iterable[int], words: int) -> tuple[int, ...]:
    """Codes in words of eight, in ascending order."""
    ordered = sorted(codes)
    if len(ordered) > LANES * words:
        raise RegistryArgumentError(f"At most {LANES * words} codes fit; name broader ones.")
    rows = [ordered[at : at + LANES] for at in range(0, LANES * words, LANES)]
    return tuple(sum(code << LANE_BITS * lane for lane, code in enumerate(row)) for row in rows)


def from_lanes(words: Iterable[int]) -> frozenset[int]:
    """The codes in words of eight."""
    lanes = [word >> LANE_BITS * lane & (1 << LANE_BITS) - 1 for word in words for lane in range(LANES)]
    return frozenset(lanes) - {0}


def to_bits(codes: Iterable[int]) -> tuple[int, ...]:
    """Country codes as bits of four words: code n is bit n % 256 of word n // 256."""
    words = [0] * COUNTRY_WORDS
    for code in codes:
        words[code // 256] |= 1 << code % 256
    return tuple(words)


def from_bits(words: Iterable[int]) -> frozenset[int]:
    """The country codes in four words."""
    return frozenset(256 * place + bit for place, word in enumerate(words) for bit in range(256) if word >> bit & 1)


def _ror_check(number: int) -> str:
    """ISO/IEC 7064, MOD 97-10, as ROR computes it."""
    return f"{98 - number * 100 % 97:02d}"
