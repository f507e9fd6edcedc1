"""A hospital's node as a process of its own: opens the hospital's files, shows itself on chain, and serves.

1. The node key is made on the first start (mode 0600). Its hash goes on chain when the chain has none; another hash
   there stops the node, since somebody else's key may be pinned: ``belmont node register-key`` replaces it.
2. The node runs foreign code isolated. Where the machine cannot give that, it refuses to start, unless the hospital's
   own configuration says otherwise.
"""

import logging
import sys
from collections.abc import Callable
from contextlib import closing

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_pem_x509_certificates

from belmont.deployment.errors import ConfigError, DeploymentError
from belmont.deployment.hospital_config import HospitalConfig
from belmont.federated.deployed.node_keys import new_node_key, node_key_hash, public_node_key, read_node_key
from belmont.federated.deployed.supernode import Membership, SuperNode
from belmont.federated.executor.in_process import InProcessRunner
from belmont.federated.executor.isolated import IsolatedRunner
from belmont.federated.executor.probe import WAIVABLE, Property
from belmont.federated.executor.protocol import AppRunner
from belmont.identity.secret_file import create_secret_file, read_secret_file
from belmont.lab.consortium import Consortium
from belmont.lab.nodes import open_node, refuse_destroyed
from belmont.lab.people import Hospital
from belmont.registry.types import ZERO_HASH

NODE_KEY_FILE = "node.key"
MAX_KEY_BYTES = 4_096

_log = logging.getLogger(__name__)


def hospital_of(config: HospitalConfig) -> tuple[Consortium, Hospital]:
    """The hospital that a configuration names. Raises DeploymentError where it is not in its home."""
    consortium = Consortium.connect(config.chain, config.home)
    found = next((each for each in consortium.hospitals if each.slug == config.member), None)
    if found is None:
        known = ", ".join(each.slug for each in consortium.hospitals)
        raise DeploymentError(f"{config.home} has no hospital {config.member!r}; it has {known}")
    return consortium, found


def node_key(consortium: Consortium, hospital: Hospital) -> ec.EllipticCurvePrivateKey:
    """The node's key, made if there is none yet."""
    path = consortium.home_here.member(hospital.slug) / NODE_KEY_FILE
    if not path.exists():
        create_secret_file(path, new_node_key())
    return read_node_key(read_secret_file(path, MAX_KEY_BYTES), path)


def register_key(consortium: Consortium, hospital: Hospital, *, replace: bool) -> ec.EllipticCurvePrivateKey:
    """The node's key, with its hash on chain (1)."""
    key = node_key(consortium, hospital)
    hashed = node_key_hash(public_node_key(key))
    member = next(each for each in consortium.registry.members() if each.address == hospital.address)
    if member.node_key_hash == hashed:
        return key
    if member.node_key_hash != ZERO_HASH and not replace:
        raise DeploymentError(
            f"the chain has another node key for {hospital.name}: if this node is to take its place, run "
            "belmont node register-key"
        )
    consortium.registry.as_(hospital.identity.account).replace_keys(member.mask_key, hashed)
    _log.info("the key of this node is on chain")
    return key


def authority_of(config: HospitalConfig) -> bytes:
    """The certificate of the coordinator's authority. Raises ConfigError for a file that has none."""
    try:
        content = config.authority.read_bytes()
        load_pem_x509_certificates(content)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it holds no certificate in PEM"
        raise ConfigError(f"{config.authority}, the coordinator's authority, cannot be read: {why}") from error
    return content


def runner_of(config: HospitalConfig) -> AppRunner:
    """What runs the studies' code (2). Raises NotIsolated where this machine cannot give what is asked."""
    if config.isolation == "in-process":
        _log.warning("the studies' code runs inside this node, which holds keys and records: for synthetic data only")
        return InProcessRunner()
    unknown = sorted(set(config.allow_weaker) - set(WAIVABLE))
    if unknown:
        raise ConfigError(f"allow_weaker names {unknown[0]!r}; it can name {', '.join(sorted(WAIVABLE))}")
    runner = IsolatedRunner(allow_weaker=map(Property, config.allow_weaker), hidden=[config.home])
    _log.info("the studies' code runs apart from this node: %s", runner.isolation)
    return runner


def serve(config: HospitalConfig, told: Callable[[str], None], started: Callable[[SuperNode], None]) -> None:
    """Serve until the SuperNode that ``started`` is given is stopped."""
    consortium, hospital = hospital_of(config)
    with consortium:
        refuse_destroyed(consortium.registry, hospital)
        key = register_key(consortium, hospital, replace=False)
        authority = authority_of(config)
        membership = Membership(config.coordinator, authority, hospital.identity.account, key)
        node = open_node(consortium.home_here, hospital, consortium.registry, runner_of(config))
        with closing(node):
            supernode = SuperNode(node, membership, told)
            started(supernode)
            supernode.run()


def log_to_stderr() -> None:
    """The log of a process of ours: warnings of anybody, and what our own parts say."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("belmont").setLevel(logging.INFO)
