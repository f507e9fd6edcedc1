"""One synthetic hospital: its patients' truth, their records, and the coded table that cleaning leaves of them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.codebook import Codes, NumericBook
from belmont.ehr.coded import CodedTable
from belmont.ehr.coding import failed_checks
from belmont.ehr.dictionary import Column, Dictionary
from belmont.ehr.errors import GeneratorError
from belmont.ehr.pseudonyms import pseudonyms
from belmont.ehr.synthetic_draws import Array, Mask
from belmont.ehr.synthetic_model import Truth
from belmont.ehr.synthetic_records import MEASURES, ConsentKind, Fate, Records


@dataclass(frozen=True, eq=False)
class HospitalCohort:
    """The patients of one hospital: what is true of them (`truth`) and what was recorded (`records`).

    `hospital` counts from 0 and is None for a holdout cohort. Arrays are in the order of `identifiers`.
    """

    name: str
    hospital: int | None
    seed: int
    truth: Truth
    records: Records

    @property
    def patients(self) -> int:
        """Distinct patients, before cleaning and consent."""
        return int(self.truth.age.size)

    @property
    def true_risk(self) -> Array:
        """Each patient's true probability of an event within five years."""
        return self.truth.risk

    @property
    def outcome(self) -> Mask:
        """Who had one."""
        return self.truth.outcome

    @cached_property
    def identifiers(self) -> list[str]:
        """Medical record numbers."""
        prefix = "X" if self.hospital is None else str(self.hospital + 1)
        return [f"{prefix}-{number:07d}" for number in range(1, self.patients + 1)]

    @cached_property
    def pseudonym_key(self) -> bytes:
        """A key made from the seed, so that tables repeat. Real hospitals draw theirs at random and keep it secret."""
        return hashlib.sha256(f"belmont synthetic pseudonyms {self.seed} {self.name}".encode()).digest()

    @cached_property
    def pseudonyms(self) -> NDArray[np.uint64]:
        """Each patient's pseudonym under `pseudonym_key`."""
        return pseudonyms(self.pseudonym_key, self.identifiers)

    def coded(self, dictionary: Dictionary | None = None) -> CodedTable:
        """What ingest makes of this cohort's FHIR files, without writing them."""
        return _coded(self, demonstration_dictionary(dictionary))

    def rows_of(self, table: CodedTable) -> NDArray[np.intp]:
        """For each row of a table coded from this cohort, the patient's position in the cohort's arrays.

        `cohort.true_risk[cohort.rows_of(table)]` is the true risk of the table's rows. Raises GeneratorError for a
        table that holds anybody else.
        """
        order = np.argsort(self.pseudonyms)
        places = np.searchsorted(self.pseudonyms, table.pseudonyms, sorter=order)
        rows = order[np.minimum(places, self.patients - 1)]
        if not np.array_equal(self.pseudonyms[rows], table.pseudonyms):
            raise GeneratorError(f"the table was not coded from cohort {self.name} with its own pseudonym key")
        return np.asarray(rows)

    def __repr__(self) -> str:
        return f"HospitalCohort({self.name!r}, {self.patients} patients, seed {self.seed})"


def demonstration_dictionary(dictionary: Dictionary | None) -> Dictionary:
    """The dictionary the generator knows. Raises GeneratorError for any other."""
    builtin = Dictionary.builtin()
    if dictionary is not None and dictionary.hash != builtin.hash:
        raise GeneratorError(
            f"synthetic cohorts go straight to tables only under {builtin.name} version {builtin.version}; "
            "write FHIR or CSV and code that with your dictionary"
        )
    return dictionary or builtin


def _coded(cohort: HospitalCohort, dictionary: Dictionary) -> CodedTable:
    truth, records = cohort.truth, cohort.records
    codes: dict[str, Codes] = {
        "sex": np.where(records.sex_unknown, 0, truth.male + 1).astype(np.uint16),
        "smoking": np.where(records.smoking_fate == Fate.FINE, truth.smoking + 1, 0).astype(np.uint16),
        "statin": truth.statin.astype(np.uint16),
        "antihypertensive": truth.antihypertensive.astype(np.uint16),
        "prior_event": truth.prior_event.astype(np.uint16),
        "cvd_event": truth.outcome.astype(np.uint16),
    }
    for name in MEASURES:
        fine = _measure_codes(dictionary.column(name), name, records, records.value[name])
        codes[name] = np.where(records.fate[name] == Fate.FINE, fine, 0).astype(np.uint16)
    older = _measure_codes(dictionary.column("hba1c"), "hba1c", records, records.older_hba1c)
    slipped = records.fate["hba1c"] > Fate.MISSING
    codes["hba1c"] = np.where(slipped, older, codes["hba1c"]).astype(np.uint16)
    swapped = records.pressure_swapped
    systolic, diastolic = records.value["systolic"], records.value["diastolic"]
    for name, other in (("systolic", diastolic), ("diastolic", systolic)):
        wrong = _measure_codes(dictionary.column(name), name, records, other)
        codes[name] = np.where(swapped, wrong, codes[name]).astype(np.uint16)
    for check, fails in failed_checks(dictionary, codes):
        codes[check.left] = np.where(fails, 0, codes[check.left]).astype(np.uint16)
        codes[check.right] = np.where(fails, 0, codes[check.right]).astype(np.uint16)
    age = dictionary.column("age").codebook
    if not isinstance(age, NumericBook):
        raise GeneratorError("age needs a numeric code book")
    codes["age"] = age.encode_array(truth.age)
    keep = (records.consent == ConsentKind.PERMITS) & ~records.birth_date_wrong & (codes["age"] > 0)
    return CodedTable(dictionary, {name: each[keep] for name, each in codes.items()}, cohort.pseudonyms[keep])


def _measure_codes(column: Column, name: str, records: Records, value: Array) -> Codes:
    """Codes of values as written, converted from the unit they were written in."""
    book = column.codebook
    if not isinstance(book, NumericBook):
        raise GeneratorError(f"{name} needs a numeric code book")
    converted = value
    for index, choice in enumerate(MEASURES[name].units):
        for conversion in column.conversions:
            if conversion.unit == choice.unit:
                other = records.unit[name] == index
                converted = np.where(other, value * conversion.multiply + conversion.add, converted)
    return book.encode_array(converted)
