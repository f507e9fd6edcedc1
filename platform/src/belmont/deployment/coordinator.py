"""A coordinator's directory, and serving from it."""

from collections.abc import Callable
from pathlib import Path

from belmont.deployment.errors import DeploymentError
from belmont.federated.deployed.certificates import make_certificates
from belmont.federated.deployed.coordinator.server import Serving
from belmont.federated.deployed.coordinator.server import serve as serve_coordinator
from belmont.identity.secret_file import create_secret_file
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.types import Address

AUTHORITY, CERTIFICATE, KEY = "authority.pem", "server.pem", "server.key"


def prepare(directory: Path, names: list[str]) -> None:
    """A certificate for ``names`` where the directory has none. Raises DeploymentError for half of one."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    there = [name for name in (AUTHORITY, CERTIFICATE, KEY) if (directory / name).exists()]
    if len(there) == 3:
        return
    if there:
        raise DeploymentError(f"{directory} has {', '.join(there)} and not the rest: complete it, or empty it")
    made = make_certificates(names)
    create_secret_file(directory / KEY, made.key)
    (directory / CERTIFICATE).write_bytes(made.certificate)
    (directory / AUTHORITY).write_bytes(made.authority)


def serve(
    directory: Path,
    chain: str,
    members: str | None,
    host: str,
    port: int,
    name: str | None,
    announce: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM."""
    if name and not port:
        raise DeploymentError("a coordinator with a name needs a port: others have to know both")
    prepare(directory, [name or host])
    registry = ChainRegistry.connect(chain, Address(members) if members else None)
    audience = f"{name}:{port}" if name else ""
    serving = Serving(host, port, audience, directory / CERTIFICATE, directory / KEY)
    serve_coordinator(registry, serving, announce)
