"""Check digits of code systems: a mistyped code is told from a code that is merely not wanted.

LOINC codes end in a mod 10 check digit (LOINC Users' Guide, appendix on check digits); SNOMED CT identifiers end in a
Verhoeff check digit (SNOMED CT Release File Specification, "Check-digit").
"""

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"

# Verhoeff, Error Detecting Decimal Codes, 1969: the dihedral group D5 and the permutation of each position.
_D5 = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_PERMUTATION = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def _positions() -> tuple[tuple[int, ...], ...]:
    rows = [tuple(range(10))]
    for _ in range(7):
        rows.append(tuple(_PERMUTATION[digit] for digit in rows[-1]))
    return tuple(rows)


_POSITIONS = _positions()


def mistyped(system: str, code: str) -> bool:
    """True where the system has check digits and this code's is wrong, or the code is no number at all."""
    if system == LOINC:
        return not _loinc_is_valid(code)
    if system == SNOMED:
        return not _snomed_is_valid(code)
    return False


def _loinc_is_valid(code: str) -> bool:
    number, dash, check = code.partition("-")
    if not (dash and number.isascii() and number.isdigit() and len(check) == 1 and check.isdigit()):
        return code.startswith(("LP", "LA", "LG", "LL"))
    total = 0
    for position, digit in enumerate(reversed(number)):
        doubled = int(digit) * 2 if position % 2 == 0 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return (10 - total % 10) % 10 == int(check)


def _snomed_is_valid(code: str) -> bool:
    if not (code.isascii() and code.isdigit() and 6 <= len(code) <= 18):
        return False
    check = 0
    for position, digit in enumerate(reversed(code)):
        check = _D5[check][_POSITIONS[position % 8][int(digit)]]
    return check == 0
