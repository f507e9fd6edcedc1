"""One encrypted query at one hospital.

1. The node hashes question, key, permit, number and participants itself.
2. The gate admits the query: at least three hospitals (of two, each could subtract its own answer). From here on the
   query is consumed, whatever comes of it.
3. The key is read: it came from the permit's data user, whose hash on chain binds it. It has to be a public BFV context
   of this version's parameters, and the question has to fit the table.
4. Cells that could add up to half of the plaintext modulus are refused, by the row counts on chain.
5. The rows are selected and counted; too few, and nothing leaves.
6. The answer is masked with keys pinned on chain, encrypted, and released by the gate.
"""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from flwr.app import ConfigRecord, Message, RecordDict

from belmont.federated.errors import FederatedError, NodeFault, QueryError, Refusal
from belmont.federated.gate.gate import Gate, chain_read
from belmont.federated.hashes import answer_hash, query_hash
from belmont.federated.node.requests import QueryMessage, read_query
from belmont.federated.node.versions import NewestVersion
from belmont.federated.query.aggregate import aggregate, check_columns
from belmont.federated.query.bfv import PLAINTEXT_MODULUS, check_context_size, encrypt, open_public_context, refuse_wrap
from belmont.federated.query.masks import MaskContext, mask
from belmont.federated.query.question import Query
from belmont.registry.protocol import Registry
from belmont.registry.reasons import Reason
from belmont.registry.types import ZERO_HASH, DatasetId, Request, UseKind

LEAST_HOSPITALS = 3


@dataclass(frozen=True)
class QueryServer:
    """Serves the encrypted queries of one dataset."""

    gate: Gate
    registry: Registry
    dataset_id: DatasetId
    versions: NewestVersion
    mask_private_key: X25519PrivateKey
    smallest_cell: int

    def serve(self, message: Message) -> RecordDict:
        """Answer one message of type ``query``. Raises Refusal or NodeFault; then nothing leaves."""
        try:
            asked = read_query(message.content)
            query = Query.from_canonical(asked.canonical_query)
            check_context_size(asked.public_context)
        except FederatedError as error:
            raise Refusal(Reason.REQUEST_MALFORMED, str(error)) from error
        claim = asked.claim
        hashed = query_hash(asked.canonical_query, asked.public_context, claim.permit_id, claim.n, claim.participants)
        admission, table = self.versions.admit(
            self.gate,
            lambda version, rows: self._request(asked, hashed, version, rows),
            message.metadata.message_id,
            LEAST_HOSPITALS,
        )
        try:
            context = open_public_context(asked.public_context)
            check_columns(table, query)
            width = 0 if query.column is None else table.width(query.column)
            cells = query.cells(width)
            rows = sum(self._rows_of(claim.participants))
            refuse_wrap(max(query.cell_bounds(rows, width, len(claim.participants))))
        except QueryError as error:
            raise Refusal(Reason.REQUEST_MALFORMED, str(error)) from error
        answer = aggregate(table, query, self.smallest_cell)
        admission = self.gate.narrow(admission, answer.cohort_rows)
        masked = self._masked(asked, hashed, answer.cells, cells)
        ciphertext = encrypt(context, masked)
        self.gate.release(admission, answer_hash(ciphertext))
        return RecordDict({"answer": ConfigRecord({"ciphertext": ciphertext})})

    def _request(self, asked: QueryMessage, hashed: bytes, version: int, rows: int) -> Request:
        claim = asked.claim
        return Request(
            kind=UseKind.QUERY,
            permit_id=claim.permit_id,
            n=claim.n,
            dataset_id=self.dataset_id,
            purpose=claim.purpose,
            code_hash=ZERO_HASH,
            config_hash=ZERO_HASH,
            subject_hash=hashed,
            participants=claim.participants,
            cohort_rows=rows,
            version=version,
        )

    def _rows_of(self, participants: tuple[DatasetId, ...]) -> list[int]:
        """Rows of every participant's newest version; a node opens no table of its own that has other rows."""
        rows = []
        with chain_read():
            for participant in participants:
                dataset = self.registry.dataset(participant)
                version = None if dataset is None else self.registry.version(participant, dataset.versions)
                if version is None:
                    raise Refusal(Reason.DATASET_UNPROVEN, "a participant has no version on chain")
                rows.append(version.rows)
        return rows

    def _masked(self, asked: QueryMessage, hashed: bytes, answer: list[int], cells: int) -> list[int]:
        claim = asked.claim
        keys = []
        with chain_read():
            identity = self.registry.identity
            for participant in claim.participants:
                dataset = self.registry.dataset(participant)
                member = None if dataset is None else self.registry.member(dataset.holder)
                if member is None:
                    raise Refusal(Reason.DATASET_NOT_COVERED, "a participant has no holder on chain")
                keys.append(member.mask_key)
        context = MaskContext(identity, claim.permit_id, claim.n, hashed, claim.participants)
        position = claim.participants.index(self.dataset_id)
        try:
            own_mask = mask(context, position, self.mask_private_key, keys, cells, PLAINTEXT_MODULUS)
        except QueryError as error:
            raise NodeFault(str(error)) from error
        return [(a + b) % PLAINTEXT_MODULUS for a, b in zip(answer, own_mask, strict=True)]
