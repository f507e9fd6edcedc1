"""A profile that somebody hands over, held against the chain. Nobody is believed:

1. the file is one profile, byte for byte as it would be written, with the charge of the noise that it states;
2. it is about a dataset of this consortium, under the dictionary that the chain has;
3. the dataset's holder signed it, with a key that speaks, or spoke at some time, for it;
4. the holder is an active member, and the dataset is not destroyed;
5. it is of the newest version: an older one holds rows of patients who withdrew since;
6. the holder stands by this very file, and did not withdraw it (`anchors`);
7. its counts are those that the version's rows can have, with noise;
8. its tables are of the dictionary's columns.

That the counts are those of the registered rows, and that noise was drawn, is not proved: the hospital says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from belmont.ehr.dictionary import Dictionary
from belmont.ehr.errors import DictionaryError
from belmont.federated.errors import ProfileRefused
from belmont.federated.profile.document import SignedProfile
from belmont.lab.errors import LabError
from belmont.lab.twin.anchors import in_force
from belmont.lab.twin.grouping import refuse_other_columns
from belmont.registry.protocol import Registry
from belmont.registry.types import Dataset, DatasetStatus, DatasetVersion, MemberStatus


@dataclass(frozen=True, eq=False)
class Checked:
    """A profile that passed, with what the chain says of its dataset."""

    signed: SignedProfile
    dataset: Dataset
    version: DatasetVersion
    holder: str
    """The member's name."""


def check_profile(content: bytes, registry: Registry) -> Checked:
    """Steps 1 to 7. Raises ProfileRefused, saying what is wrong and whom to ask."""
    signed = SignedProfile.from_bytes(content)  # 1
    profile = signed.profile
    if profile.consortium != registry.identity:  # 2
        raise ProfileRefused(f"the profile is of {profile.consortium}: connect to that consortium's chain")
    dataset = registry.dataset(profile.dataset_id)
    if dataset is None or dataset.dictionary_hash != profile.dictionary_hash:
        raise ProfileRefused("the chain has no such dataset under that dictionary: the profile is of something else")
    name, member = dataset.name, registry.member(dataset.holder)
    owners = {dataset.holder, *(each.owner for each in registry.identities.history(dataset.holder))}
    if signed.signer is None or signed.signer not in owners:  # 3
        raise ProfileRefused(f"{dataset.holder}, which holds {name}, did not sign this profile: ask it for its own")
    if member is None or member.status is not MemberStatus.ACTIVE:  # 4
        raise ProfileRefused(f"the holder of {name} is no active member any longer")
    if dataset.status is DatasetStatus.DESTROYED:
        raise ProfileRefused(f"{name} was destroyed, and its profile with it: delete every copy")
    version = registry.version(dataset.id, profile.version)
    if version is None or profile.version != dataset.versions:  # 5
        raise ProfileRefused(
            f"the profile is of version {profile.version} of {name}, and the chain's newest is {dataset.versions}: ask "
            f"{member.name} for one of that"
        )
    if signed.hash not in in_force(registry, dataset):  # 6
        raise ProfileRefused(f"{member.name} does not stand by this profile of {name}: withdrawn, replaced or too old")
    profile.refuse_impossible(version.rows)  # 7
    return Checked(signed, dataset, version, member.name)


def dictionary_of(checked: Checked, candidates: Sequence[Dictionary]) -> Dictionary:
    """The dictionary that the dataset was registered under (8): one of these, or one that is shipped.

    Raises LabError where it is none of them, ProfileRefused where the profile's tables are not of its columns.
    """
    found = {book.hash: book for book in (*candidates, *_shipped())}.get(checked.dataset.dictionary_hash)
    if found is None:
        raise LabError(
            f"the dictionary of {checked.dataset.name} is not on this machine: give dictionary=..., the file that "
            f"{checked.holder} registered it under"
        )
    refuse_other_columns(checked.signed.profile, found)
    return found


def _shipped() -> list[Dictionary]:
    try:
        return [Dictionary.builtin()]
    except DictionaryError:
        return []
