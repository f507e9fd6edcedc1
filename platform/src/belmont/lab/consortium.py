"""A consortium as a notebook sees it: its members, its datasets, its studies, and what was done."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from belmont.chain.process import ChainProcess
from belmont.identity.keys import Identity
from belmont.lab import cards, local
from belmont.lab.applications import Applications
from belmont.lab.consents import HospitalConsents
from belmont.lab.credits import Contributions
from belmont.lab.destroyed import Destroying
from belmont.lab.errors import HomeError, LabError
from belmont.lab.governance import Governance
from belmont.lab.handing_in import HandedIn
from belmont.lab.home import Home, Person, SyntheticSource
from belmont.lab.nodes import open_node, refuse_destroyed
from belmont.lab.own_tables import OwnTables
from belmont.lab.people import Actor, Hospital
from belmont.lab.records import Records
from belmont.lab.retention import Keeping
from belmont.lab.running import CHAIN, COORDINATOR, Deployment
from belmont.lab.service_client import ServiceClient
from belmont.lab.sizes import refuse_sizes
from belmont.lab.tables import Tables
from belmont.lab.temporary import TemporaryDirectory
from belmont.lab.twin.shelf import Profiles
from belmont.registry.chain_registry import ChainRegistry
from belmont.registry.errors import RegistryError
from belmont.registry.types import Address, DatasetId, PermitId, Role, StudyId

if TYPE_CHECKING:
    import pandas as pd

    from belmont.federated.grid.deployed import DeployedGrid
    from belmont.federated.grid.in_process import InProcessGrid
    from belmont.federated.node.node import HospitalNode
    from belmont.lab.models import StudyModel

DEPLOYED_TIMEOUT_SECONDS = 30.0
DEPLOYED_PATIENCE_SECONDS = 300.0


class Consortium(Records, Applications, Tables, Governance, Contributions, Keeping, Destroying, Profiles):
    """One consortium. Make one with ``Consortium.local`` or ``Consortium.connect``; use it as a context manager or
    call ``close``. The chain is always reached over JSON-RPC; the two differ only in who started it.

    The hospitals' nodes whose directories are in ``home`` run in this process, which the study's code shares: for
    development and synthetic data. ``Consortium.deployed`` reaches nodes that are processes of their own instead.
    """

    def __init__(self, registry: ChainRegistry, url: str, home: Home | None) -> None:
        self._registry = registry
        self._closed = False
        self._is_local = False
        self.url = url
        self.home = home
        self._nodes: dict[DatasetId, HospitalNode] = {}
        self.registers: dict[DatasetId, HospitalConsents] = {}
        """Opened so far."""
        self._chain: ChainProcess | None = None
        self._deployment: Deployment | None = None
        self.timeout_seconds: float | None = None
        """For one answer of one hospital; None waits for as long as it takes."""
        self.patience_seconds = 0.0
        """For asking again whoever was away, or could not see the chain."""
        self.models: dict[PermitId, StudyModel] = {}
        """What was applied with over this object: a permit has the number of its study."""
        self.prepared: dict[PermitId, bytes] = {}
        """By what rounds standardised that ran from here, by the first permit of the line; empty for nothing."""
        self.evaluated: dict[PermitId, set[int]] = {}
        """Which rounds evaluated that ran from here, by the first permit of the line."""
        self.service: ServiceClient | None = None
        """The institution's service, where one was named: the ethics board reads there what was applied with."""
        self.handed_in: dict[StudyId, HandedIn] = {}
        """What became of the documents of studies that this object handed in."""
        self._temporary: TemporaryDirectory | None = None
        record = home.read() if home else None
        self.source = record.synthetic if record else None
        self._actors = [self._actor(person) for person in record.people] if record else []

    @classmethod
    def local(
        cls,
        hospitals: int | None = None,
        patients: int | None = None,
        seed: int | None = None,
        home: Path | str | None = None,
        *,
        with_auditor: bool = False,
    ) -> "Consortium":
        """A consortium of synthetic hospitals on this machine: a chain process, contracts, members, datasets.

        ``patients`` counts over all hospitals; a new one has 4 hospitals, 4000 patients and seed 7 unless named. With
        ``home`` the consortium is kept there and continued when it is there already, and sizes that are not named are
        those that it has; without, it lives in a temporary directory until it is closed. A new one has an auditor among
        its members if asked for.
        """
        named = {"hospitals": hospitals, "patients": patients, "seed": seed}
        given = {name: value for name, value in named.items() if value is not None}

        def source() -> SyntheticSource:
            wanted = replace(local.DEFAULT_SOURCE, **given)
            refuse_sizes(wanted)
            return wanted

        return cls._made_here(home, source, lambda place: cls.refuse_other_sizes(place, **named), with_auditor)

    @classmethod
    def of_tables(
        cls,
        tables: "Mapping[str, pd.DataFrame | Path | str]",
        dictionary: str | Path,
        home: Path | str | None = None,
    ) -> "Consortium":
        """A consortium on this machine whose hospitals have these tables: of development and public data.

        ``dictionary`` is YAML text, as ``belmont.lab.draft_dictionary`` drafts it, or a path. With ``home`` it is kept
        there, and continued as it is when it is there already. Raises ``LabError`` and the errors of ``ehr``.
        """
        return cls._made_here(home, lambda: OwnTables.of(tables, dictionary), lambda place: None)

    @classmethod
    def _made_here(
        cls,
        home: Path | str | None,
        source: Callable[[], SyntheticSource | OwnTables],
        check: Callable[[Home], None],
        with_auditor: bool = False,
    ) -> "Consortium":
        temporary = None if home else TemporaryDirectory()
        place = Home(temporary.path / "consortium" if temporary else Path(home or ".").expanduser())
        started: list[ChainProcess] = []

        def start_chain(directory: Path) -> str:
            started.append(ChainProcess.start(directory))
            return started[0].url

        try:
            if not place.is_finished:
                local.make(place, start_chain, source(), with_auditor=with_auditor)
            else:
                check(place)
                start_chain(place.chain)
            consortium = cls.connect(started[0].url, place.path)
        except BaseException:
            for chain in started:
                chain.stop()
            if temporary:
                temporary.cleanup()
            raise
        consortium._chain = started[0]
        consortium._is_local = True
        consortium._temporary = temporary
        return consortium

    @classmethod
    def connect(
        cls,
        url: str,
        home: Path | str | None = None,
        members_address: Address | None = None,
        *,
        coordinator: str | None = None,
        authority: Path | str | None = None,
        service: str | None = None,
    ) -> "Consortium":
        """The consortium on the chain at ``url``, whose contracts are compared with our own sources first.

        ``home`` is the directory that holds the keys, vaults and nodes that this machine has; without it everything
        can be read, and nothing signed or computed. ``members_address`` chooses among several consortia on one chain;
        a home names its own. With ``coordinator``, as in ``coordinator.example:9443``, hospitals' nodes are reached
        over it, and it has to have a certificate of ``authority``, a file in PEM. ``service`` is the address of an
        institution's service, as in ``https://belmont.example``: what is applied with and decided here is handed in
        there for the board to read, and cards link to its pages (docs/service.md). Raises ``LabError`` for one of
        coordinator and authority without the other, and for what is no address.
        """
        if (coordinator is None) != (authority is None):
            raise LabError(
                "a coordinator is reached by its address and the file of its authority: give both, or neither"
            )
        place = Home(Path(home).expanduser()) if home else None
        registry = ChainRegistry.connect(url, place.read().members_address if place else members_address)
        consortium = cls(registry, url, place)
        if coordinator is not None and authority is not None:
            file = Path(authority).expanduser()
            if not file.is_file():
                raise LabError(f"{file} is no file: authority is the coordinator's authority.pem")
            consortium._reach(Deployment(url, coordinator, file, {}))
        if service:
            consortium.service = ServiceClient(service)
        return consortium

    @classmethod
    def deployed(cls, home: Path | str) -> "Consortium":
        """The consortium that ``belmont up`` runs from ``home``: its hospitals' nodes are processes,
        reached over its coordinator. Raises ``HomeError`` where chain or coordinator does not run; a hospital's node
        that does not is shown, and waited for by what asks it.
        """
        place = Home(Path(home).expanduser())
        running = Deployment.read(place.path)
        needed = (CHAIN, COORDINATOR)
        away = [each for each in needed if running is None or each in running.ended]  # others may run elsewhere
        if running is None or away:
            which = " and ".join(away)
            raise HomeError(f"{which} of {place.path} {_do(away)} not run: belmont up --home {place.path} starts it")
        consortium = cls.connect(running.chain, place.path, service=running.service or None)
        consortium._reach(running)
        return consortium

    def _reach(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.timeout_seconds, self.patience_seconds = DEPLOYED_TIMEOUT_SECONDS, DEPLOYED_PATIENCE_SECONDS

    @staticmethod
    def refuse_other_sizes(home: Home, **named: int | None) -> None:
        """Raises ``HomeError`` where a home's records are not as many as named; None stands for those that it has."""
        found = home.read().synthetic
        given = {name: value for name, value in named.items() if value is not None}
        wanted = replace(found or local.DEFAULT_SOURCE, **given)
        refuse_sizes(wanted)
        if found != wanted:
            raise HomeError(f"{home.path} holds {found}, not {wanted}: name another directory for the new one")

    @property
    def registry(self) -> ChainRegistry:
        """The contracts as Python objects. Raises ``LabError`` once this is closed or its chain has ended."""
        again = (
            f"open it again with Consortium.connect({self.url!r}{f', {str(self.home.path)!r}' if self.home else ''})"
        )
        if self._is_local and self.home:
            again = f"open it again with Consortium.local(home={str(self.home.path)!r})"
        if self._temporary is not None:
            again = "it was a temporary one, so make a new one with Consortium.local(), with home=... to keep it"
        if self._closed:
            raise LabError(f"this consortium is closed: {again}")
        if self._chain is not None and not self._chain.running:
            raise LabError(f"the process of this consortium's chain has ended: {again}")
        return self._registry

    @property
    def service_url(self) -> str | None:
        """The address of the institution's service: the ethics board's console; None where none was named."""
        return self.service.url if self.service else None

    # --- who ---

    @property
    def name(self) -> str:
        return self.registry.name

    @property
    def whole(self) -> "Consortium":
        return self

    @property
    def actors(self) -> list[Actor]:
        """Every member whose key is here."""
        return list(self._actors)

    @property
    def hospitals(self) -> list[Hospital]:
        """The data holders whose nodes run here."""
        return [actor for actor in self._actors if isinstance(actor, Hospital)]

    @property
    def board(self) -> list[Actor]:
        """The members of the ethics board whose keys are here."""
        return [actor for actor in self._actors if Role.ETHICS_BOARD in actor.roles]

    @property
    def researcher(self) -> Actor:
        """The data user whose key is here. Raises ``LabError`` where there is none."""
        users = [actor for actor in self._actors if Role.DATA_USER in actor.roles]
        if not users:
            raise LabError("no data user's key is on this machine: connect with home=..., the directory that holds it")
        return users[0]

    @cached_property
    def dataset_names(self) -> dict[DatasetId, str]:
        """What each dataset is called on chain."""
        return {dataset.id: dataset.name for dataset in self.registry.datasets()}

    def node(self, dataset_id: DatasetId) -> "HospitalNode":
        """The node of a dataset that runs on this machine, opened when first asked for."""
        if dataset_id not in self._nodes:
            if self.home is None:
                raise LabError("no hospital's node runs on this machine: connect with home=...")
            hospital = next((h for h in self.hospitals if h.dataset_id == dataset_id), None)
            if hospital is None:
                raise LabError(f"no node on this machine holds dataset {dataset_id.hex()[:12]}")
            refuse_destroyed(self.registry, hospital)
            self._nodes[dataset_id] = open_node(self.home, hospital, self.registry)
        return self._nodes[dataset_id]

    def grid(self, participants: tuple[DatasetId, ...]) -> "InProcessGrid | DeployedGrid":
        """A way to the nodes of these datasets: over the coordinator where there is one, or else in this process."""
        if self._deployment is not None:
            from belmont.federated.grid.deployed import CoordinatorClient, DeployedGrid

            where, authority = self._deployment.coordinator, self._deployment.authority.read_bytes()
            return DeployedGrid(CoordinatorClient(where, authority, self.researcher.identity.account))
        from belmont.federated.grid.in_process import InProcessGrid

        return InProcessGrid([self.node(dataset) for dataset in participants])

    def forget(self, dataset_id: DatasetId) -> None:
        """Closes the node of a dataset that runs here, and drops the rows of it that this object keeps in memory."""
        self.__dict__.pop("yardstick", None)
        node = self._nodes.pop(dataset_id, None)
        if node is not None:
            node.close()

    @property
    def home_here(self) -> Home:
        """The directory of keys and vaults. Raises ``LabError`` where there is none."""
        if self.home is None:
            raise LabError("no hospital's files are on this machine: connect with home=...")
        return self.home

    # --- end ---

    def close(self) -> None:
        """Closes the nodes, and ends the chain and removes the temporary directory if this object made them."""
        for node in self._nodes.values():
            node.close()
        self._nodes.clear()
        if self._chain is not None:
            self._chain.stop()
            self._chain = None
        if self.service is not None:
            self.service.close()
        if self._temporary is not None:
            self._temporary.cleanup()
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _actor(self, person: Person) -> Actor:
        if self.home is None:
            raise HomeError("keys need a directory")
        identity = Identity.load(self.home.identity(person.slug))
        if identity.address != person.address:
            raise HomeError(f"the key of {person.name} is not the one that was registered: restore identity.json")
        if Role.DATA_HOLDER not in person.roles:
            return Actor(person.slug, person.name, person.roles, identity, consortium=self)
        dataset = next((d for d in self.registry.datasets() if d.holder == identity.address), None)
        version = self.registry.version(dataset.id, dataset.versions) if dataset else None
        if dataset is None or version is None:
            raise HomeError(f"{person.name} has no dataset on this chain: is {self.url} the chain of this directory?")
        named = person.slug, person.name, person.roles, identity
        return Hospital(*named, dataset.id, dataset.name, version.rows, consortium=self)

    @property
    def _where(self) -> str:
        if self._deployment is not None:
            ended = self._deployment.ended
            note = f"; {' and '.join(ended)} {_do(ended)} not run here" if ended else ""
            return f"in processes of their own, over coordinator {self._deployment.coordinator}{note}"
        return "in this process, shared with the study's code: for development and synthetic data"

    def __repr__(self) -> str:
        try:
            name = self.name
        except (LabError, RegistryError) as error:
            return f"Consortium({error})"
        return f"Consortium({name!r}, {len(self.hospitals)} hospitals, chain {self.url}): nodes {self._where}"

    def _repr_html_(self) -> str:
        try:
            return self._card()
        except (LabError, RegistryError) as error:
            return cards.card("Consortium", str(error), mark=cards.badge("unreachable", cards.BAD))

    def _card(self) -> str:
        head = self.registry.head()
        rows = []
        for member in self.registry.members():
            roles = ", ".join(str(role.name).replace("_", " ").lower() for role in member.roles)
            rows.append([member.name, roles, cards.mono(member.address), member.status.name.lower()])
        facts: dict[str, object] = {
            "chain": cards.mono(f"{self.url}, block {head.number}"),
            "datasets": ", ".join(f"{h.dataset_name} ({h.rows:,} rows)" for h in self.hospitals) or "none here",
            "nodes": self._where,
        }
        if self.service_url:
            facts["console"] = cards.link(self.service_url)
        table = cards.table(["member", "roles", "address", "status"], rows)
        return cards.card(self.name, cards.facts(facts), table, mark=cards.badge("connected", cards.GOOD))


def _do(names: list[str]) -> str:
    return "do" if len(names) > 1 else "does"
