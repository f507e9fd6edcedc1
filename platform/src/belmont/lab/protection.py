"""What a configuration does for a hospital's updates, in a sentence that a board can read.

The chain has a configuration's hash only. Whoever applied keeps its text in the consortium's directory
(`belmont.lab.documents`), and whoever reads it there compares it with the hash.
"""

from belmont.federated.bounded.settings import UpdateBounds
from belmont.federated.errors import FederatedError
from belmont.federated.hashes import RunConfig, canonical_json, config_hash
from belmont.federated.models.approved import read_approved
from belmont.federated.secagg.settings import SecureSum
from belmont.lab import documents
from belmont.lab.home import Home

UNKNOWN = "the configuration that says so is not on this machine: ask who applied"


def bound_text(secure: SecureSum, bounds: UpdateBounds) -> str:
    """What each hospital proves."""
    most = f"at most {bounds.bound / 2**secure.fraction_bits:,.10g} ({bounds.bound} / 2^{secure.fraction_bits})"
    return most + ("" if bounds.squares is None else f", squares at most {bounds.squares}")


def sentence(config: RunConfig) -> str:
    """Who sees a hospital's update under this configuration, and what it is proved or noised to be."""
    try:
        approved = read_approved(config)
    except FederatedError as error:
        return f"nodes refuse this configuration: {error}"
    if approved.secure is None:
        return "coordinator and researcher see each hospital's own"
    parts = ["only their sum over the hospitals can be read"]
    if approved.bounds is not None:
        parts.append(f"each number of a hospital's is proved to be {bound_text(approved.secure, approved.bounds)}")
    if approved.noise is not None:
        parts.append(f"each hospital adds noise: {approved.noise.rho_per_round:,} micro-rho a round")
    return "; ".join(parts)


def keep(home: Home | None, config: RunConfig) -> None:
    """Keeps a configuration's text, for the cards of its study and permit."""
    documents.keep_configuration(home, config_hash(config), canonical_json(dict(config)))


def sentence_for(home: Home | None, hashed: bytes) -> str:
    """The sentence about the configuration with this hash, or that it is not here."""
    config = documents.configuration_for(home, hashed)
    return UNKNOWN if config is None else sentence(config)
