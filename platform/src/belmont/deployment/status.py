"""What of a consortium runs on this machine, and what of it is connected."""

from pathlib import Path
from typing import Any

from belmont.deployment.errors import NotRunning
from belmont.deployment.machine import Machine
from belmont.federated.errors import FederatedError
from belmont.federated.grid.deployed import CoordinatorClient
from belmont.identity.keys import Identity
from belmont.lab.home import Home
from belmont.lab.running import CHAIN, COORDINATOR, SERVICE, memory_mb
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.errors import RegistryError
from belmont.registry.types import Address, DatasetId


def status_of(home: Path) -> dict[str, Any]:
    """A row for each process: ``running`` or ``ended``, and of nodes ``connected`` or ``not connected``.

    Raises NotRunning where nothing was started from this home.
    """
    machine = Machine(home)
    deployment = machine.deployment
    if not deployment.chain:
        raise NotRunning(f"nothing was started from {home}: belmont up --home {home}")
    block, online = _asked(machine)
    rows = []
    for name in (CHAIN, COORDINATOR, *machine.hospitals, SERVICE):
        process = deployment.processes.get(name)
        runs = process is not None and process.runs
        state = "running" if runs else "ended"
        if runs and name in machine.hospitals:
            state = "connected" if name in online else "not connected"
        pid = process.pid if process else 0
        memory = round(memory_mb(pid), 1) if runs else 0.0
        rows.append({"name": name, "state": state, "pid": pid, "memory_mb": memory, "log": str(machine.log(name))})
    addresses = {"chain": deployment.chain, "coordinator": deployment.coordinator, "service": deployment.service}
    return {**addresses, "block": block, "processes": rows}


def _asked(machine: Machine) -> tuple[int, set[str]]:
    """The newest block, and the slugs of the hospitals whose nodes the coordinator sees; 0 and none where away."""
    home, deployment = Home(machine.home), machine.deployment
    record = home.read()
    try:
        registry = ChainRegistry.connect(deployment.chain, record.members_address)
        block = registry.head().number
        holders = {dataset.holder: dataset.id for dataset in registry.datasets()}
    except RegistryError:
        return 0, set()
    try:
        account = Identity.load(home.identity(record.people[0].slug)).account
        client = CoordinatorClient(deployment.coordinator, deployment.authority.read_bytes(), account)
        online: set[DatasetId] = set(client.nodes())
    except (FederatedError, OSError):
        return block, set()
    return block, {each.slug for each in record.people if holders.get(Address(each.address)) in online}
