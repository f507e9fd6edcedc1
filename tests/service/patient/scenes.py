"""One hospital's files for patients' pages: records with people who are named in each other's, a register, a vault."""

import copy
import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from belmont.ehr.pseudonyms import pseudonym
from belmont.ehr.synthetic import generate_population, write_fhir
from belmont.identity.keys import Identity
from belmont.lab import consent_files, hospital_files
from belmont.lab.home import Home
from belmont.registry.consents.scope import Scope
from belmont.registry.simulated import SimulatedRegistry
from belmont.registry.types import Address, Dataset, DatasetVersion, MemberProfile, Role
from belmont.service.patient.hospital import HospitalFiles

SLUG = "hospital-1"
DICTIONARY = Path(str(resources.files("belmont.ehr") / "dictionaries" / "diabetes_cvd.yaml"))
CATEGORIES = 15


class Clinic:
    """A hospital of 60 patients in memory's registry, of whom two have accounts: ``me`` and ``other``."""

    def __init__(self, path: Path) -> None:
        self.holder, self.university = Identity.create(), Identity.create()
        named = {"Clinic": (self.holder, Role.DATA_HOLDER), "University": (self.university, Role.DATA_USER)}
        named |= {f"Board {n}": (Identity.create(), Role.ETHICS_BOARD) for n in range(2)}
        founders = [MemberProfile(Address(who.address), name, who.did, role) for name, (who, role) in named.items()]
        self.home = Home(path)
        self.home.member(SLUG).mkdir(parents=True)
        write_fhir(generate_population(1, 60, 5)[0], self.home.records(SLUG))
        self.registry = SimulatedRegistry.found("Test", founders).as_(self.holder.account)
        self.dataset_id = hospital_files.register(self.home, SLUG, "Diabetes", DICTIONARY, self.registry)
        self.me, self.other = Address(Identity.create().address), Address(Identity.create().address)
        self.mine, self.others = self.pseudonyms()[:2]
        self.give(self.mine, self.me)
        self.give(self.others, self.other)
        self.files = HospitalFiles(self.home, SLUG, self.dataset_id)

    def copy(self, path: Path) -> "Clinic":
        """The same hospital with files of its own; the registry stays one."""
        made = copy.copy(self)
        shutil.copytree(self.home.path, path)
        made.home = Home(path)
        made.files = HospitalFiles(made.home, SLUG, self.dataset_id)
        return made

    def pseudonyms(self) -> list[int]:
        table = hospital_files.stored_rows(self.home, SLUG, self.registry, self.dataset_id).table
        return [int(each) for each in table.pseudonyms]

    def key(self, pseudonym: int) -> bytes:
        return consent_files.patient_key_of(self.home, SLUG, pseudonym)

    def give(self, pseudonym: int, account: Address) -> None:
        with consent_files.open_register(self.home, SLUG, self.dataset_id) as register:
            register.give_accounts({self.key(pseudonym): account})
            consent_files.publish(self.registry, self.dataset_id, register.view().batch)

    def give_locally(self, pseudonym: int, account: Address) -> None:
        """In the register alone."""
        with consent_files.open_register(self.home, SLUG, self.dataset_id) as register:
            register.give_accounts({self.key(pseudonym): account})

    def attest(self, pseudonym: int, scope: Scope | None) -> bytes:
        """Returns the root of the batch."""
        with consent_files.open_register(self.home, SLUG, self.dataset_id) as register:
            consent_files.attest(register, self.registry, self.dataset_id, {self.key(pseudonym): scope})
            return register.view().batch.root

    def renew(self) -> int:
        return hospital_files.renew(self.home, SLUG, self.registry, self.dataset_id)

    @property
    def dataset(self) -> Dataset:
        found = self.registry.dataset(self.dataset_id)
        assert found is not None
        return found

    @property
    def versions(self) -> list[DatasetVersion]:
        numbers = range(1, self.dataset.versions + 1)
        return [each for n in numbers if (each := self.registry.version(self.dataset_id, n))]

    def patient_ids(self) -> dict[int, str]:
        """The id of the first Patient of each row, by pseudonym."""
        key = (self.home.member(SLUG) / hospital_files.PSEUDONYM_KEY_FILE).read_bytes()
        found: dict[int, str] = {}
        for line in self.lines("Patient"):
            found.setdefault(pseudonym(key, line["identifier"][0]["value"]), line["id"])
        return found

    def lines(self, kind: str) -> list[dict[str, Any]]:
        path = self.home.records(SLUG) / f"{kind}.ndjson"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def add(self, kind: str, *resources: dict[str, Any]) -> None:
        with (self.home.records(SLUG) / f"{kind}.ndjson").open("a") as file:
            file.writelines(json.dumps({"resourceType": kind, **each}) + "\n" for each in resources)
