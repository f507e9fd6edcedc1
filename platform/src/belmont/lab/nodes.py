"""Opens the node of a hospital whose directory is on this machine."""

from belmont.federated.node.node import HospitalNode
from belmont.lab.home import Home
from belmont.lab.hospital_files import registered_table
from belmont.lab.people import Hospital
from belmont.registry.protocol import Registry


def open_node(home: Home, hospital: Hospital, registry: Registry) -> HospitalNode:
    """The node of ``hospital``: it signs as the hospital, reads its vault, and keeps its own ledger.

    It opens the newest registered version, and a newer one when the chain has it. Raises ``HomeError`` where vault and
    chain differ.
    """
    writes = registry.as_(hospital.identity.account)
    return HospitalNode(
        writes,
        hospital.dataset_id,
        lambda number: registered_table(home, hospital.slug, registry, hospital.dataset_id, number),
        hospital.identity.mask_private_key,
        home.ledger(hospital.slug),
    )
