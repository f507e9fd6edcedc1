"""One encrypted query at one hospital.

1. The node hashes question, key, permit, number and participants itself.
2. A query that this node answered already gets the same answer. Otherwise the gate admits it: every row of the version
   has a consent that permits it, and at least three hospitals take part (of two, each could subtract its own answer).
   From here on the query is consumed, whatever comes of it.
3. The key is read: it came from the permit's data user, whose hash on chain binds it. It has to be a public BFV context
   of this version's parameters, and the question has to fit the table.
4. Cells that could add up to half of the plaintext modulus are refused, by the row counts on chain.
5. The rows are selected and counted; too few, and nothing leaves.
6. If the question can be proved, the cells are opened. What the rows add up to and what the commitments say has to be
   the same.
7. Cells and openings are masked with keys pinned on chain, the cells are encrypted, and the whole is signed.
8. What the ethics board would need in a dispute is on disk; then the gate releases the answer.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account.signers.local import LocalAccount
from flwr.app import Message, RecordDict

from belmont.federated.errors import FederatedError, NodeFault, QueryError, Refusal
from belmont.federated.gate.gate import Asked as GateAsked
from belmont.federated.gate.gate import Gate, chain_read, request_hash
from belmont.federated.grid.records import pack_records, unpack_records
from belmont.federated.hashes import query_hash
from belmont.federated.node.consents import NOTHING, Chosen
from belmont.federated.node.disclosures import Disclosures
from belmont.federated.node.mask_keys import mask_keys_of
from belmont.federated.node.requests import QueryMessage, read_query
from belmont.federated.node.versions import NewestVersion, OpenedVersion
from belmont.federated.query.aggregate import aggregate, check_columns
from belmont.federated.query.bfv import check_context_size, encrypt, open_public_context, refuse_wrap
from belmont.federated.query.columns import Columns
from belmont.federated.query.disclosure import Disclosure, masked_cells, masked_openings
from belmont.federated.query.evidence import Asked, open_cells, source_for
from belmont.federated.query.masks import MaskContext, PairSeeds, seeds_hash, seeds_with_all
from belmont.federated.query.question import Query
from belmont.federated.query.seeded import new_seed
from belmont.federated.query.signed_answer import HASH_BYTES, SignedAnswer
from belmont.registry.protocol import Registry
from belmont.registry.reasons import Reason
from belmont.registry.types import ZERO_HASH, DatasetId, Request, UseKind
from belmont.zk.budget import OpeningBudget
from belmont.zk.curve import compressed
from belmont.zk.errors import ZkError
from belmont.zk.totals import Opening

LEAST_HOSPITALS = 3


@dataclass(frozen=True)
class QueryServer:
    """Serves the encrypted queries of one dataset. ``account`` is the data holder's: it signs the answers."""

    gate: Gate
    registry: Registry
    dataset_id: DatasetId
    versions: NewestVersion
    mask_private_key: X25519PrivateKey
    account: LocalAccount
    disclosures: Disclosures
    budget: OpeningBudget
    """Counts what proofs give away of the committed columns, before they are made."""
    smallest_cell: int
    clock: Callable[[], float] = time.time

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
        which = GateAsked(claim.permit_id, self.dataset_id, UseKind.QUERY, claim.n)
        answered = self.gate.again(which, request_hash(self._request(asked, hashed, NOTHING)))
        if answered is not None:
            return unpack_records(answered)
        admission, opened, table = self.versions.admit(
            self.gate,
            which,
            lambda chosen: self._request(asked, hashed, chosen),
            message.metadata.message_id,
            LEAST_HOSPITALS,
        )
        try:
            context = open_public_context(asked.public_context)
            check_columns(table, query)
            width = 0 if query.column is None else table.width(query.column)
            query.cells(width)
            rows = sum(self._rows_of(claim.participants))
            refuse_wrap(max(query.cell_bounds(rows, width, len(claim.participants))))
        except QueryError as error:
            raise Refusal(Reason.REQUEST_MALFORMED, str(error)) from error
        answer = aggregate(table, query, self.smallest_cell)
        admission = self.gate.narrow(admission, answer.cohort_rows)
        with chain_read():
            mask_context = MaskContext(self.registry.identity, claim.permit_id, claim.n, hashed, claim.participants)
        evidence, openings = self._opened(mask_context, query, opened, answer.cells)
        disclosure = Disclosure(
            tuple(answer.cells),
            tuple(compressed(each.proof) for each in openings),
            tuple(self._seeds(mask_context)),
            new_seed(),
        )
        signed = self.compose(context, mask_context, opened.number, evidence, disclosure, openings)
        self.disclosures.keep(claim.permit_id, claim.n, disclosure, self.clock())
        reply = signed.to_record()
        self.gate.release(admission, signed.hash, pack_records(reply))
        return reply

    def compose(
        self,
        context: Any,
        mask_context: MaskContext,
        version: int,
        evidence: bytes,
        disclosure: Disclosure,
        openings: Sequence[Opening],
    ) -> SignedAnswer:
        """The answer that follows from a disclosure, signed."""
        position = mask_context.participants.index(self.dataset_id)
        seeds = disclosure.seeds
        answer = SignedAnswer(
            encrypt(context, masked_cells(disclosure.totals, position, seeds), disclosure.encryption_seed),
            version,
            evidence,
            masked_openings([each.proof for each in openings], position, seeds),
            tuple(
                bytes(HASH_BYTES) if other == position else seeds_hash(mask_context, position, other, pair)
                for other, pair in enumerate(seeds)
            ),
        )
        return answer.signed(self.account, mask_context, self.dataset_id)

    def _request(self, asked: QueryMessage, hashed: bytes, chosen: Chosen) -> Request:
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
            cohort_rows=chosen.rows,
            version=chosen.version,
            consent_root=chosen.consent_root,
            consented_until=chosen.consented_until,
            left_out=chosen.left_out,
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

    def _opened(
        self,
        context: MaskContext,
        query: Query,
        opened: OpenedVersion,
        cells: list[int],
    ) -> tuple[bytes, list[Opening]]:
        """Evidence and openings of the cells; nothing where the answer cannot be proved."""
        if source_for(query) is None or opened.committed is None:
            return b"", []
        asked = Asked(
            context.consortium,
            context.permit_id,
            context.n,
            query,
            context.query_hash,
            self.dataset_id,
            opened.version,
        )
        columns = Columns(tuple(opened.table.columns), opened.committed.layout)
        try:
            evidence, openings = open_cells(
                asked,
                columns,
                opened.committed,
                lambda spending: self.budget.spend(asked.version.commitments_root, spending, asked.context()),
            )
        except (ZkError, QueryError) as error:
            raise NodeFault(f"the answer could not be proved: {error}") from error
        if [each.total for each in openings] != cells:
            raise NodeFault("the rows add up to another total than their commitments")
        return evidence, openings

    def _seeds(self, context: MaskContext) -> list[PairSeeds]:
        keys = mask_keys_of(self.registry, context.participants)
        position = context.participants.index(self.dataset_id)
        try:
            return seeds_with_all(context, position, self.mask_private_key, keys)
        except QueryError as error:
            raise NodeFault(str(error)) from error
