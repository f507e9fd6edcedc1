"""A consortium with patients of their own: chain, contracts, vaults, registers, a node that computes."""

from dataclasses import dataclass

from belmont.lab import Consortium
from belmont.lab.consents import Patient
from belmont.lab.permit import Permit


@dataclass
class Story:
    """A consortium in which one round ran before and one after a patient revoked."""

    consortium: Consortium
    permit: Permit
    keeps: Patient
    """Never states anything."""
    revokes: Patient
    """States that they revoke, after the first round."""
    elsewhere: Patient
    """Of another hospital."""
    grants: Patient
    """For tests that state something."""
