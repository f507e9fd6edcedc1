"""Makes a whole consortium on this machine: records, keys, a chain, contracts, registered datasets.

Everything here is what the institutions would each do at home; only the founding is done together. The records are
written as FHIR and read back as a hospital would read its own, so that nothing takes a short cut.
"""

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.synthetic import generate_population, write_fhir
from belmont.identity.keys import Identity
from belmont.lab import hospital_files
from belmont.lab.home import Home, Person, Record, SyntheticSource
from belmont.lab.own_tables import OwnTables
from belmont.lab.progress import progress_bar
from belmont.lab.proving import prove_version
from belmont.registry.founding import found
from belmont.registry.types import Address, MemberProfile, Role

HOSPITAL_NAMES = (
    "Northgate Hospital",
    "Harbour Medical Centre",
    "Lakeside University Hospital",
    "Saint Brigid Clinic",
    "Hillcrest Infirmary",
    "Riverside General",
)
BOARD_NAMES = ("Prof. Amara Osei, ethicist", "Dr Ines Moreau, clinician", "Tomas Lindqvist, patient representative")
RESEARCHER_NAME = "Institute for Cardiometabolic Research"
AUDITOR_NAME = "Health Data Inspectorate"
CONSORTIUM_NAME = "Local consortium (synthetic records)"
DEFAULT_SOURCE = SyntheticSource(hospitals=4, patients=4000, seed=7)


def make(
    home: Home, start_chain: Callable[[Path], str], source: SyntheticSource | OwnTables, *, with_auditor: bool = False
) -> None:
    """Fills an empty home. ``start_chain`` starts the chain of a directory and says its address."""
    home.begin()
    names = _names(source)
    about = Dictionary.loads(source.dictionary).title if isinstance(source, OwnTables) else "type 2 diabetes"
    steps = 3 + 3 * len(names)
    with progress_bar("Making a consortium", steps) as bar:
        people, identities = _people(home, names, with_auditor)
        bar.advance(note="keys")
        url = start_chain(home.chain)
        bar.advance(note="chain")
        registry = found(url, CONSORTIUM_NAME, [_profile(p, identities[p.slug]) for p in people])
        bar.advance(note="contracts")
        holders = [person for person in people if Role.DATA_HOLDER in person.roles]
        dictionary_file = Path(str(resources.files("belmont.ehr") / "dictionaries" / "diabetes_cvd.yaml"))
        if isinstance(source, OwnTables):
            dictionary_file = home.path / "dictionary.yaml"
            dictionary_file.write_text(source.dictionary, encoding="utf-8")
        _write_records(home, holders, source, lambda name: bar.advance(note=f"records of {name}"))
        for person in holders:
            writes = registry.as_(identities[person.slug].account)
            dataset_id = hospital_files.register(
                home, person.slug, dataset_name(person, about), dictionary_file, writes
            )
            bar.advance(note=f"registered {person.name}")
            prove_version(home, person.slug, writes, dataset_id, bar=bar)
            bar.advance(note=f"proved {person.name}")
    home.finish(
        Record(tuple(people), registry.addresses["Members"], source if isinstance(source, SyntheticSource) else None)
    )


def dataset_name(person: Person, about: str = "type 2 diabetes") -> str:
    """What a hospital's dataset is called on chain."""
    return f"{person.name}: {about}"[:64]


def _names(source: SyntheticSource | OwnTables) -> list[str]:
    return (
        list(source.tables) if isinstance(source, OwnTables) else [_hospital_name(k) for k in range(source.hospitals)]
    )


def _people(
    home: Home, hospitals: Sequence[str], with_auditor: bool = False
) -> tuple[list[Person], dict[str, Identity]]:
    roles = [(f"hospital-{k}", name, Role.DATA_HOLDER) for k, name in enumerate(hospitals, start=1)]
    roles += [(f"board-{k + 1}", name, Role.ETHICS_BOARD) for k, name in enumerate(BOARD_NAMES)]
    roles += [("researcher", RESEARCHER_NAME, Role.DATA_USER)]
    if with_auditor:
        roles += [("auditor", AUDITOR_NAME, Role.AUDITOR)]
    people, identities = [], {}
    for slug, name, role in roles:
        home.member(slug).mkdir(parents=True, mode=0o700)
        identity = Identity.create()
        identity.save(home.identity(slug))
        identities[slug] = identity
        people.append(Person(slug, name, role, identity.address))
    return people, identities


def _hospital_name(k: int) -> str:
    return HOSPITAL_NAMES[k] if k < len(HOSPITAL_NAMES) else f"Hospital {k + 1}"


def _profile(person: Person, identity: Identity) -> MemberProfile:
    mask_key = identity.mask_public_key if Role.DATA_HOLDER in person.roles else bytes(32)
    return MemberProfile(Address(person.address), person.name, identity.did, person.roles, mask_key)


def _write_records(
    home: Home, holders: Sequence[Person], source: SyntheticSource | OwnTables, written: Callable[[str], None]
) -> None:
    if isinstance(source, OwnTables):
        for person in holders:
            source.write(person.name, home.records(person.slug))
            written(person.name)
        return
    for person, cohort in zip(
        holders, generate_population(source.hospitals, source.patients, source.seed), strict=True
    ):
        write_fhir(cohort, home.records(person.slug))
        written(person.name)
