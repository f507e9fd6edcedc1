"""The key by which a hospital's node shows itself to the coordinator, and its hash that the chain pins.

Flower asks for a key on a NIST curve; this is P-384 in PKCS#8, mode 0600. ``node_key_hash`` is SHA-256 of the public
key in the form in which Flower sends it (PEM, SubjectPublicKeyInfo).
"""

import hashlib
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.supercore.primitives.asymmetric import public_key_to_bytes

from belmont.federated.errors import NodeFault

MAX_KEY_BYTES = 4_096


def new_node_key() -> bytes:
    """A fresh private key, in PEM."""
    return ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_node_key(pem: bytes, where: Path) -> ec.EllipticCurvePrivateKey:
    """The private key of a PEM. Raises NodeFault for anything but an unencrypted P-384 key."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise NodeFault(f"{where} is no private key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp384r1":
        raise NodeFault(f"{where} is not a P-384 key")
    return key


def public_node_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public key as Flower sends it."""
    return bytes(public_key_to_bytes(key.public_key()))


def node_key_hash(public_key: bytes) -> bytes:
    """What the chain has of a node's public key."""
    return hashlib.sha256(public_key).digest()
