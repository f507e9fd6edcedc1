"""Rows drawn from a profile: a synthetic table with its marginals, and nothing of any patient beyond them.

1. How many rows have each outcome, and each group of a column with that outcome, is the profile's share of the rows,
   rounded to the nearest that adds up. So the marginals of the table are the profile's.
2. Given the outcome, columns are independent: within each outcome the rows of a column are shuffled. This is the naive
   Bayes structure, a Bayesian network in which the outcome is the only parent of each column (PrivBayes, Zhang et al.,
   ACM TODS 2017, chooses its network from data; MST and AIM, McKenna et al., J. Privacy Confid. 2021 and VLDB 2022,
   choose pairs of columns to measure and fit a Markov random field). Here the hospital chooses, nothing is chosen from
   data, and nothing is fitted. **An association of two columns that does not go through the outcome is not in it.**
3. Within a group, codes are drawn as the dictionary leads one to expect; so are columns that were not published.
4. The dictionary's checks hold: where two values contradict each other (a systolic pressure below the diastolic), they
   change places with those of other rows of that outcome, which keeps the marginals; where none fits, both are missing.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.codebook import Codes, NumericBook
from belmont.ehr.coded import CodedTable
from belmont.ehr.dictionary import Check, Column, Dictionary
from belmont.federated.profile.document import Profile
from belmont.lab.errors import LabError
from belmont.lab.twin.grouping import Floats, reference, within
from belmont.lab.twin.marginals import Marginals

MOST_ROWS = 5_000_000
_TRIES = 200
Ints = NDArray[np.int64]


def sample(
    profile: Profile, marginals: Marginals, dictionary: Dictionary, rows: int, seed: int, first_pseudonym: int = 1
) -> CodedTable:
    """``rows`` coded rows; the same seed gives the same. Raises LabError for a number of rows that is none."""
    if type(rows) is not int or not 1 <= rows <= MOST_ROWS:
        raise LabError(f"rows is {rows!r}: a twin has 1 to {MOST_ROWS:,} rows")
    if type(seed) is not int or seed < 0:
        raise LabError(f"seed is {seed!r}: give a whole number, 0 or more")
    generator = np.random.default_rng([seed, int.from_bytes(profile.dataset_id[:8])])
    choices = profile.choices
    with_outcome = shares_out(rows, marginals.outcomes[0])
    behind = generator.permutation(np.repeat(np.arange(with_outcome.size), with_outcome))
    of_group = [np.flatnonzero(behind == each) for each in range(with_outcome.size)]
    codes: dict[str, Codes] = {}
    for groups, table in zip(choices.columns, marginals.tables, strict=True):
        places = np.empty(rows, np.int64)
        for outcome, at in enumerate(of_group):
            counts = shares_out(at.size, table[0, :, outcome])
            places[at] = generator.permutation(np.repeat(np.arange(len(groups)), counts))
        column = dictionary.column(groups.column)
        codes[column.name] = _codes(within(column, groups), groups.starts, places, generator)
    if choices.outcome is not None:
        column = dictionary.column(choices.outcome.column)
        codes[column.name] = _codes(within(column, choices.outcome), choices.outcome.starts, behind, generator)
    for column in dictionary:
        if column.name not in codes:  # 3
            codes[column.name] = generator.choice(column.width + 1, rows, p=reference(column)).astype(np.uint16)
    _keep_checks(dictionary, codes, of_group, generator)
    pseudonyms = np.arange(first_pseudonym, first_pseudonym + rows, dtype=np.uint64)
    return CodedTable(dictionary, codes, pseudonyms)


def shares_out(total: int, weights: Floats) -> Ints:
    """``total`` split in these proportions into whole numbers, the largest remainders rounded up; of no weight at all,
    evenly."""
    shares = weights / weights.sum() if weights.sum() > 0 else np.full(weights.size, 1 / weights.size)
    exact = shares * total
    found: Ints = np.floor(exact).astype(np.int64)
    rest = total - int(found.sum())
    found[np.argsort(-(exact - found), kind="stable")[:rest]] += 1
    return found


def _codes(shares: Floats, starts: tuple[int, ...], places: Ints, generator: np.random.Generator) -> Codes:
    """A code of each row's group (3)."""
    found = np.empty(places.size, np.uint16)
    ends = (*starts[1:], shares.size)
    for group, (start, end) in enumerate(zip(starts, ends, strict=True)):
        at = np.flatnonzero(places == group)
        weights = shares[start:end] / shares[start:end].sum()
        found[at] = start + generator.choice(end - start, at.size, p=weights)
    return found


def _keep_checks(
    dictionary: Dictionary, codes: dict[str, Codes], of_group: list[NDArray[np.intp]], generator: np.random.Generator
) -> None:
    """Rule 4, in place. Raises LabError where two columns that may not be missing never fit."""

    def wrong(at: NDArray[np.intp], checks: Sequence[Check], given: dict[str, Codes]) -> NDArray[np.bool_]:
        found = np.zeros(at.size, np.bool_)
        for check in checks:
            left, right = (_values(dictionary.column(name), given[name][at]) for name in (check.left, check.right))
            found |= left <= right  # not of NaN
        return found

    for check in dictionary.checks:
        name = check.right
        for at in of_group:
            for _ in range(_TRIES):
                bad = at[wrong(at, [check], codes)]
                if not bad.size:
                    break
                others = generator.permutation(at[~wrong(at, dictionary.checks, codes)])[: bad.size]
                bad = bad[: others.size]
                trial = codes | {name: codes[name].copy()}
                trial[name][bad], trial[name][others] = codes[name][others], codes[name][bad]
                fits = ~wrong(bad, [check], trial) & ~wrong(others, dictionary.checks, trial)
                for each in (bad[fits], others[fits]):
                    codes[name][each] = trial[name][each]
    for check in dictionary.checks:
        every = np.arange(codes[check.left].size)
        bad = every[wrong(every, [check], codes)]
        if bad.size and not all(dictionary.column(each).allows_missing for each in (check.left, check.right)):
            raise LabError(f"hardly a row has {check.left} above {check.right}, as the dictionary asks for")
        codes[check.left][bad] = codes[check.right][bad] = 0


def _values(column: Column, codes: Codes) -> Floats:
    book = column.codebook
    return book.decode_array(codes) if isinstance(book, NumericBook) else codes.astype(np.float64)
