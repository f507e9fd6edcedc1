"""Opens the node of a hospital whose directory is on this machine."""

from belmont.federated.node.node import HospitalNode
from belmont.lab.home import Home
from belmont.lab.hospital_files import registered_table
from belmont.lab.people import Hospital
from belmont.registry.protocol import Registry


def open_node(home: Home, hospital: Hospital, registry: Registry) -> HospitalNode:
    """The node of ``hospital``: it signs as the hospital, reads its vault, and keeps its own ledger."""
    writes = registry.as_(hospital.identity.account)
    table = registered_table(home, hospital.slug, registry, hospital.dataset_id)
    return HospitalNode(
        writes, hospital.dataset_id, table, hospital.identity.mask_private_key, home.ledger(hospital.slug)
    )
