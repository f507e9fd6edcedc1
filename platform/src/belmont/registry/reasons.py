"""Why a node or a contract refuses: one name for each reason, with what a person can do about it."""

from enum import StrEnum


class Reason(StrEnum):
    """Refusals of a computation, by a node or by a contract, in the same words."""

    PERMIT_MISSING = "PERMIT_MISSING"
    PERMIT_EXPIRED = "PERMIT_EXPIRED"
    PERMIT_REVOKED = "PERMIT_REVOKED"
    PERMIT_FROZEN = "PERMIT_FROZEN"
    PERMIT_SUPERSEDED = "PERMIT_SUPERSEDED"
    CONSORTIUM_PAUSED = "CONSORTIUM_PAUSED"
    DATASET_NOT_COVERED = "DATASET_NOT_COVERED"
    DATASET_UNPROVEN = "DATASET_UNPROVEN"
    DATASET_FROZEN = "DATASET_FROZEN"
    DATASET_DESTROYED = "DATASET_DESTROYED"
    RETENTION_OVER = "RETENTION_OVER"
    DATA_USER_INACTIVE = "DATA_USER_INACTIVE"
    NOT_THE_DATA_USER = "NOT_THE_DATA_USER"
    DATA_HOLDER_INACTIVE = "DATA_HOLDER_INACTIVE"
    PURPOSE_MISMATCH = "PURPOSE_MISMATCH"
    CODE_MISMATCH = "CODE_MISMATCH"
    CONFIG_MISMATCH = "CONFIG_MISMATCH"
    MODEL_MISMATCH = "MODEL_MISMATCH"
    QUERY_MISMATCH = "QUERY_MISMATCH"
    PARTICIPANTS_MISMATCH = "PARTICIPANTS_MISMATCH"
    COMPUTATION_NOT_PERMITTED = "COMPUTATION_NOT_PERMITTED"
    ROUND_NOT_OPEN = "ROUND_NOT_OPEN"
    QUERY_NOT_OPEN = "QUERY_NOT_OPEN"
    ROUND_CLOSED = "ROUND_CLOSED"
    ROUND_NOT_FINAL = "ROUND_NOT_FINAL"
    UPDATE_UNPROVED = "UPDATE_UNPROVED"
    ALREADY_SERVED = "ALREADY_SERVED"
    ROUNDS_EXHAUSTED = "ROUNDS_EXHAUSTED"
    QUERIES_EXHAUSTED = "QUERIES_EXHAUSTED"
    EVALUATIONS_EXHAUSTED = "EVALUATIONS_EXHAUSTED"
    BUDGET_EXHAUSTED = "BUDGET_EXHAUSTED"
    TOO_FEW_HOSPITALS = "TOO_FEW_HOSPITALS"
    COHORT_TOO_SMALL = "COHORT_TOO_SMALL"
    CONSENT_STALE = "CONSENT_STALE"
    CONSENT_SCOPE = "CONSENT_SCOPE"
    VERSION_STALE = "VERSION_STALE"
    CHAIN_STALE = "CHAIN_STALE"
    CHAIN_UNREACHABLE = "CHAIN_UNREACHABLE"
    CODE_UNKNOWN = "CODE_UNKNOWN"
    REQUEST_MALFORMED = "REQUEST_MALFORMED"

    @property
    def remedy(self) -> str:
        """What the person who meets this refusal can do."""
        return _REMEDIES[self]


_REMEDIES = {
    Reason.PERMIT_MISSING: "Apply for a permit, and wait until the board has voted and every data holder accepted.",
    Reason.PERMIT_EXPIRED: "Apply for an extension or a new permit; an expired one cannot be revived.",
    Reason.PERMIT_REVOKED: "The ethics board revoked this permit; ask it for its reason before applying again.",
    Reason.PERMIT_FROZEN: "Wait until the freeze ends or the board lifts it; ask who froze it and why.",
    Reason.PERMIT_SUPERSEDED: "An amendment took this permit's place: go on under the permit that it led to.",
    Reason.CONSORTIUM_PAUSED: "The ethics board paused the consortium; wait until it resumes, and ask it why.",
    Reason.DATASET_NOT_COVERED: "Name only datasets that the permit covers and whose holder has not withdrawn them.",
    Reason.DATASET_UNPROVEN: "Wait until the data holder has registered a version of the dataset and proven it.",
    Reason.DATASET_FROZEN: "Wait until the data holder unfreezes the dataset.",
    Reason.DATASET_DESTROYED: "The dataset no longer exists; apply without it.",
    Reason.RETENTION_OVER: "The dataset's retention date has passed; apply without it.",
    Reason.DATA_USER_INACTIVE: "The permit's data user is no longer a member; a member has to apply anew.",
    Reason.NOT_THE_DATA_USER: "Ask with the key of the permit's data user, or of a delegate that works for it now.",
    Reason.DATA_HOLDER_INACTIVE: "The dataset's holder is no longer a member; continue without its dataset.",
    Reason.PURPOSE_MISMATCH: "Use the data only for the purpose that was approved, or apply for another.",
    Reason.CODE_MISMATCH: "Run exactly the code whose hash was approved, or apply with the new code.",
    Reason.CONFIG_MISMATCH: "Run with exactly the configuration that was approved, or apply with the new one.",
    Reason.MODEL_MISMATCH: "Send the model whose hash the data user opened this round with.",
    Reason.QUERY_MISMATCH: "Send the query, key and permit whose hash the data user opened on chain.",
    Reason.PARTICIPANTS_MISMATCH: "Send the participants as opened, in order; a query names every covered dataset.",
    Reason.COMPUTATION_NOT_PERMITTED: "The permit does not allow this kind of computation; apply for it.",
    Reason.ROUND_NOT_OPEN: "Only the permit's data user can open a round: open it on chain first.",
    Reason.QUERY_NOT_OPEN: "Only the permit's data user can open a query: open it on chain first.",
    Reason.ROUND_CLOSED: "The data user closed this round over those that had answered; take part in the next one.",
    Reason.ROUND_NOT_FINAL: "Wait until every hospital answered, or close the round on chain; then ask for its sum.",
    Reason.UPDATE_UNPROVED: "A hospital's update is not proved to be within the approved bound: go on without it.",
    Reason.ALREADY_SERVED: "Every round and query is answered once; open the next one.",
    Reason.ROUNDS_EXHAUSTED: "All approved rounds are used; apply for more.",
    Reason.QUERIES_EXHAUSTED: "All approved queries are used; apply for more.",
    Reason.EVALUATIONS_EXHAUSTED: "All approved evaluations are used; apply for an amendment with more.",
    Reason.BUDGET_EXHAUSTED: "The privacy budget of the permit or of the dataset is used up; apply for more.",
    Reason.TOO_FEW_HOSPITALS: "Include at least the approved minimum of hospitals.",
    Reason.COHORT_TOO_SMALL: "Widen the filter: this hospital has too few matching patients to answer safely.",
    Reason.CONSENT_STALE: "Consents changed: wait until the hospital's node applies them, or registers a version of "
    "now.",
    Reason.CONSENT_SCOPE: "Some patients' consents do not cover this use; train, or ask for a dataset of those that "
    "do.",
    Reason.VERSION_STALE: "The hospital's node holds an older version of its table; it has to open the newest.",
    Reason.CHAIN_STALE: "The node's view of the chain is old or went backwards; check the chain node and its clock.",
    Reason.CHAIN_UNREACHABLE: "The node cannot reach its chain node; start it or correct its address.",
    Reason.CODE_UNKNOWN: "The members voted for other code of a contract: install the release that has it.",
    Reason.REQUEST_MALFORMED: "Send a request of the documented form.",
}


class WriteRefusal(StrEnum):
    """Refusals of a write that only the contracts make: who may do what, and what a record must hold."""

    NOT_MEMBER = "NOT_MEMBER"
    NOT_DATA_HOLDER = "NOT_DATA_HOLDER"
    NOT_DATA_USER = "NOT_DATA_USER"
    NOT_ETHICS_BOARD = "NOT_ETHICS_BOARD"
    NOT_THE_HOLDER = "NOT_THE_HOLDER"
    NOT_THE_APPLICANT = "NOT_THE_APPLICANT"
    NOT_CONCERNED = "NOT_CONCERNED"
    NOT_USES_CONTRACT = "NOT_USES_CONTRACT"
    NOT_RULES_CONTRACT = "NOT_RULES_CONTRACT"
    NOT_THE_ACTOR = "NOT_THE_ACTOR"
    NOT_THE_OWNER = "NOT_THE_OWNER"
    OWNER_INVALID = "OWNER_INVALID"
    OWNER_REPLACED = "OWNER_REPLACED"
    VALIDITY_INVALID = "VALIDITY_INVALID"
    DELEGATES_FULL = "DELEGATES_FULL"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    SIGNATURE_EXPIRED = "SIGNATURE_EXPIRED"
    NONCE_USED = "NONCE_USED"
    FREEZE_NOT_CURRENT = "FREEZE_NOT_CURRENT"
    ALREADY_FOUNDED = "ALREADY_FOUNDED"
    RULE_UNKNOWN = "RULE_UNKNOWN"
    RULE_OUT_OF_BOUNDS = "RULE_OUT_OF_BOUNDS"
    CODE_MISSING = "CODE_MISSING"
    AMOUNT_MISSING = "AMOUNT_MISSING"
    TOO_EARLY = "TOO_EARLY"
    PAUSE_CLOSED = "PAUSE_CLOSED"
    NOT_PAUSED = "NOT_PAUSED"
    CREDITS_EXHAUSTED = "CREDITS_EXHAUSTED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    PROPOSAL_OVERTAKEN = "PROPOSAL_OVERTAKEN"
    STUDY_LAPSED = "STUDY_LAPSED"
    GRANT_TOO_SOON = "GRANT_TOO_SOON"
    SEQUENCE_TOO_HIGH = "SEQUENCE_TOO_HIGH"
    ALREADY_REVOKED = "ALREADY_REVOKED"
    CATEGORIES_INVALID = "CATEGORIES_INVALID"
    RETENTION_INVALID = "RETENTION_INVALID"
    ACCOUNT_MISSING = "ACCOUNT_MISSING"
    NAME_MISSING = "NAME_MISSING"
    DID_MISSING = "DID_MISSING"
    ROLES_INVALID = "ROLES_INVALID"
    ROLES_CONFLICT = "ROLES_CONFLICT"
    MASK_KEY_INVALID = "MASK_KEY_INVALID"
    MASK_KEY_TAKEN = "MASK_KEY_TAKEN"
    BOARD_TOO_SMALL = "BOARD_TOO_SMALL"
    MEMBER_EXISTS = "MEMBER_EXISTS"
    MEMBER_UNKNOWN = "MEMBER_UNKNOWN"
    MEMBERS_FULL = "MEMBERS_FULL"
    PROPOSAL_UNKNOWN = "PROPOSAL_UNKNOWN"
    PROPOSAL_CLOSED = "PROPOSAL_CLOSED"
    CONCERNS_ITSELF = "CONCERNS_ITSELF"
    ALREADY_VOTED = "ALREADY_VOTED"
    NAME_TAKEN = "NAME_TAKEN"
    DUO_TERMS_INVALID = "DUO_TERMS_INVALID"
    CONDITIONS_INVALID = "CONDITIONS_INVALID"
    DECLARATION_INVALID = "DECLARATION_INVALID"
    DATA_USE_DENIED = "DATA_USE_DENIED"
    HASH_MISSING = "HASH_MISSING"
    CID_MISSING = "CID_MISSING"
    ROWS_MISSING = "ROWS_MISSING"
    DATASET_UNKNOWN = "DATASET_UNKNOWN"
    DATASET_NOT_FROZEN = "DATASET_NOT_FROZEN"
    RECIPIENTS_INVALID = "RECIPIENTS_INVALID"
    PERIOD_INVALID = "PERIOD_INVALID"
    BATCH_INVALID = "BATCH_INVALID"
    PATH_INVALID = "PATH_INVALID"
    ALREADY_ENROLLED = "ALREADY_ENROLLED"
    NOT_ENROLLED = "NOT_ENROLLED"
    SEQUENCE_NOT_NEWER = "SEQUENCE_NOT_NEWER"
    TITLE_MISSING = "TITLE_MISSING"
    PURPOSE_INVALID = "PURPOSE_INVALID"
    DATASETS_MISSING = "DATASETS_MISSING"
    DATASET_REPEATED = "DATASET_REPEATED"
    HOLDER_REPEATED = "HOLDER_REPEATED"
    COMPUTATIONS_INVALID = "COMPUTATIONS_INVALID"
    ROUNDS_INVALID = "ROUNDS_INVALID"
    QUERIES_INVALID = "QUERIES_INVALID"
    MIN_HOSPITALS_INVALID = "MIN_HOSPITALS_INVALID"
    MIN_COHORT_INVALID = "MIN_COHORT_INVALID"
    ANSWER_MODE_INVALID = "ANSWER_MODE_INVALID"
    DURATION_INVALID = "DURATION_INVALID"
    STUDY_UNKNOWN = "STUDY_UNKNOWN"
    STUDY_CLOSED = "STUDY_CLOSED"
    STUDY_NOT_APPROVED = "STUDY_NOT_APPROVED"
    VOTE_UNDECIDED = "VOTE_UNDECIDED"
    OWN_STUDY = "OWN_STUDY"
    RECUSED = "RECUSED"
    CONDITIONS_WITH_REFUSAL = "CONDITIONS_WITH_REFUSAL"
    NO_CONDITIONS = "NO_CONDITIONS"
    CONDITIONS_MISMATCH = "CONDITIONS_MISMATCH"
    ALREADY_AGREED = "ALREADY_AGREED"
    CONDITIONS_OPEN = "CONDITIONS_OPEN"
    ALREADY_ACCEPTED = "ALREADY_ACCEPTED"
    NOT_ACCEPTED = "NOT_ACCEPTED"
    PERMIT_EXISTS = "PERMIT_EXISTS"
    FREEZE_INVALID = "FREEZE_INVALID"
    FREEZE_SPENT = "FREEZE_SPENT"
    PERMIT_NOT_FROZEN = "PERMIT_NOT_FROZEN"
    KIND_INVALID = "KIND_INVALID"
    NOT_NEXT = "NOT_NEXT"
    NOT_PROOFS_CONTRACT = "NOT_PROOFS_CONTRACT"
    TABLES_EXIST = "TABLES_EXIST"
    TABLES_MISSING = "TABLES_MISSING"
    LAYOUT_INVALID = "LAYOUT_INVALID"
    LAYOUT_TOO_WIDE = "LAYOUT_TOO_WIDE"
    CEREMONY_MISMATCH = "CEREMONY_MISMATCH"
    VERSION_UNKNOWN = "VERSION_UNKNOWN"
    ALREADY_PROVEN = "ALREADY_PROVEN"
    DICTIONARY_MISMATCH = "DICTIONARY_MISMATCH"
    CHUNKS_INVALID = "CHUNKS_INVALID"
    ROWS_MISMATCH = "ROWS_MISMATCH"
    PART_OUT_OF_PLACE = "PART_OUT_OF_PLACE"
    COMMITMENTS_MISMATCH = "COMMITMENTS_MISMATCH"
    PROOF_MALFORMED = "PROOF_MALFORMED"
    SCALAR_INVALID = "SCALAR_INVALID"
    POINT_INVALID = "POINT_INVALID"
    COMMITMENT_AT_INFINITY = "COMMITMENT_AT_INFINITY"
    CHALLENGE_INVALID = "CHALLENGE_INVALID"
    PROOF_INVALID = "PROOF_INVALID"
    PRECOMPILE_MISSING = "PRECOMPILE_MISSING"
    ANSWER_NOT_EXACT = "ANSWER_NOT_EXACT"
    TOTAL_EXISTS = "TOTAL_EXISTS"
    QUESTION_FILTERED = "QUESTION_FILTERED"
    ANSWER_MISSING = "ANSWER_MISSING"
    COLUMN_INVALID = "COLUMN_INVALID"
    TOTAL_OUT_OF_RANGE = "TOTAL_OUT_OF_RANGE"
    TOTAL_REFUTED = "TOTAL_REFUTED"
    RELEASE_EXISTS = "RELEASE_EXISTS"
    RELEASE_UNKNOWN = "RELEASE_UNKNOWN"
    RELEASE_CLOSED = "RELEASE_CLOSED"
    OBJECTIONS_CLOSED = "OBJECTIONS_CLOSED"
    OBJECTIONS_OPEN = "OBJECTIONS_OPEN"
    OBJECTIONS_CHANGED = "OBJECTIONS_CHANGED"
    ALREADY_OBJECTED = "ALREADY_OBJECTED"
    NOT_INVOLVED = "NOT_INVOLVED"
    NOT_OBJECTED = "NOT_OBJECTED"
    NOT_RELEASED = "NOT_RELEASED"
    ALREADY_SETTLED = "ALREADY_SETTLED"

    @property
    def remedy(self) -> str:
        """What the person whose write was refused can do."""
        return _WRITE_REMEDIES[self]


_WRITE_REMEDIES = {
    WriteRefusal.NOT_MEMBER: "Use the key of an active member of the consortium.",
    WriteRefusal.NOT_DATA_HOLDER: "Use the key of an active member that holds the role of data holder.",
    WriteRefusal.NOT_DATA_USER: "Use the key of an active member that holds the role of data user.",
    WriteRefusal.NOT_ETHICS_BOARD: "Use the key of an active member of the ethics board.",
    WriteRefusal.NOT_THE_HOLDER: "Only the dataset's own holder can do this; use its key.",
    WriteRefusal.NOT_THE_APPLICANT: "Only the data user who applied can do this; use its key.",
    WriteRefusal.NOT_RULES_CONTRACT: "Propose it in Rules: only what the members carried does this.",
    WriteRefusal.NOT_THE_ACTOR: "Use the key of the identity's owner; for routine writes a valid delegate's will do.",
    WriteRefusal.NOT_THE_OWNER: "Use the key of the identity's owner: nobody else changes an identity.",
    WriteRefusal.OWNER_INVALID: "Name an account that can sign: neither zero nor one of the consortium's contracts.",
    WriteRefusal.OWNER_REPLACED: "This key is or was the identity's owner, and none comes back; make a new one.",
    WriteRefusal.VALIDITY_INVALID: "Let it be valid for at least one second and at most ten years.",
    WriteRefusal.DELEGATES_FULL: "An identity has at most 16 valid delegates; revoke one first.",
    WriteRefusal.SIGNATURE_INVALID: "Have it signed by who speaks for its actor now, for this chain and this contract.",
    WriteRefusal.SIGNATURE_EXPIRED: "Its last second is over: have it signed again with a later deadline.",
    WriteRefusal.NONCE_USED: "It was relayed already, or its number cancelled; sign anew with another number.",
    WriteRefusal.FREEZE_NOT_CURRENT: "The permit was frozen again since this was signed: sign for the freeze of now.",
    WriteRefusal.ALREADY_FOUNDED: "A consortium is founded once; connect to it.",
    WriteRefusal.RULE_UNKNOWN: "Name a rule by its number, 0 to 9 (docs/registry.md).",
    WriteRefusal.RULE_OUT_OF_BOUNDS: "Keep to the rule's bounds, which no vote can leave (docs/registry.md).",
    WriteRefusal.CODE_MISSING: "Deploy the new code first, and name the proxy of one of the consortium's contracts.",
    WriteRefusal.AMOUNT_MISSING: "Redeem at least one credit.",
    WriteRefusal.TOO_EARLY: "Wait until the delay after the vote is over, then have it enacted.",
    WriteRefusal.PAUSE_CLOSED: "Name the number of the pause that is voted on now.",
    WriteRefusal.NOT_PAUSED: "The consortium is not paused; there is nothing to resume.",
    WriteRefusal.CREDITS_EXHAUSTED: "Redeem at most what was earned and not redeemed yet.",
    WriteRefusal.NOT_SUPPORTED: "You do not support this proposal; there is nothing to take back.",
    WriteRefusal.PROPOSAL_OVERTAKEN: "A later proposal on the same subject is in force; propose anew.",
    WriteRefusal.STUDY_LAPSED: "The application is more than a year old; apply anew.",
    WriteRefusal.GRANT_TOO_SOON: "Grant a day after your last statement; a revocation can be made at any time.",
    WriteRefusal.SEQUENCE_TOO_HIGH: "Give a sequence of at most the current Unix time plus a day.",
    WriteRefusal.ALREADY_REVOKED: "Nothing is granted that could be taken back.",
    WriteRefusal.CATEGORIES_INVALID: "Name at least one category of data, and only those of docs/consents.md.",
    WriteRefusal.RETENTION_INVALID: "Keep a dataset one to five years from now; a date can only be put off.",
    WriteRefusal.NOT_CONCERNED: "Only a member of the ethics board or the holder of a covered dataset can do this.",
    WriteRefusal.NOT_USES_CONTRACT: "Record the use through the contract Uses, which charges the dataset itself.",
    WriteRefusal.ACCOUNT_MISSING: "Give the account's address; the zero address cannot be a member.",
    WriteRefusal.NAME_MISSING: "Give a name of 1 to 64 bytes.",
    WriteRefusal.DID_MISSING: "Give a decentralised identifier, such as did:ethr:0x7a69:0x....",
    WriteRefusal.ROLES_INVALID: "Give at least one role, and only roles that exist.",
    WriteRefusal.MASK_KEY_INVALID: "Give the 32 bytes of an X25519 public key as RFC 7748 writes it: the top bit is 0.",
    WriteRefusal.MASK_KEY_TAKEN: "Make a new mask key: this one is, or was, another member's.",
    WriteRefusal.ROLES_CONFLICT: "A data user cannot sit on the ethics board; give one of the two roles.",
    WriteRefusal.BOARD_TOO_SMALL: "The ethics board needs at least two members; admit another first.",
    WriteRefusal.MEMBER_EXISTS: "This account was admitted before; every account is admitted once, so use a new one.",
    WriteRefusal.MEMBER_UNKNOWN: "Name an active member.",
    WriteRefusal.MEMBERS_FULL: "The consortium has admitted as many accounts as it can hold; found another.",
    WriteRefusal.PROPOSAL_UNKNOWN: "Name a proposal that exists.",
    WriteRefusal.PROPOSAL_CLOSED: "The proposal was carried out or is older than 30 days; make a new one.",
    WriteRefusal.CONCERNS_ITSELF: "Nobody votes on their own removal; leave it to the other members.",
    WriteRefusal.ALREADY_VOTED: "Every account votes once; wait for the others.",
    WriteRefusal.NAME_TAKEN: "This holder already registered a dataset of this name; add a version to it.",
    WriteRefusal.DUO_TERMS_INVALID: "Give the dataset's Data Use Ontology terms, DUO:0000004 to DUO:0000046.",
    WriteRefusal.CONDITIONS_INVALID: "Give a parameter of data use only beside its term: countries beside GS, say.",
    WriteRefusal.DECLARATION_INVALID: "Declare the intended use in the documented codes (docs/duo.md).",
    WriteRefusal.DATA_USE_DENIED: "A dataset's conditions do not permit this use: belmont.registry.duo.match says why.",
    WriteRefusal.HASH_MISSING: "Give the hash; 32 zero bytes stand for none.",
    WriteRefusal.CID_MISSING: "Give the identifier of the encrypted root, as 1 to 64 bytes.",
    WriteRefusal.ROWS_MISSING: "Register a version that has rows.",
    WriteRefusal.DATASET_UNKNOWN: "Name a dataset that is registered.",
    WriteRefusal.DATASET_NOT_FROZEN: "The dataset is not frozen; there is nothing to undo.",
    WriteRefusal.RECIPIENTS_INVALID: "Name at most 8 recipients, each once and in ascending order; none stands for any "
    "member.",
    WriteRefusal.PERIOD_INVALID: "Let the period begin before it ends.",
    WriteRefusal.BATCH_INVALID: "Publish the root and count of the register's own batch; a batch without leaves "
    "has one root.",
    WriteRefusal.PATH_INVALID: "Take the path from the batch that is published now; the hospital may have "
    "published a newer one.",
    WriteRefusal.ALREADY_ENROLLED: "This account is enrolled for this dataset; it can grant and revoke.",
    WriteRefusal.NOT_ENROLLED: "Ask the hospital for the path of this account's leaf, and enrol it first.",
    WriteRefusal.SEQUENCE_NOT_NEWER: "Give a higher sequence than that of this account's last statement: the current "
    "Unix time.",
    WriteRefusal.TITLE_MISSING: "Give the study a title of 1 to 64 bytes.",
    WriteRefusal.PURPOSE_INVALID: "Name at least one purpose, DUO:0000031 to DUO:0000040, and nothing else.",
    WriteRefusal.DATASETS_MISSING: "Name at least one dataset.",
    WriteRefusal.DATASET_REPEATED: "Name every dataset once.",
    WriteRefusal.HOLDER_REPEATED: "Name at most one dataset of each holder, so that datasets count as hospitals.",
    WriteRefusal.COMPUTATIONS_INVALID: "Ask for training, for queries, or for both.",
    WriteRefusal.ROUNDS_INVALID: "Ask for 1 to 10,000 rounds with training, and for 0 without.",
    WriteRefusal.QUERIES_INVALID: "Ask for 1 to 10,000 queries with queries, and for 0 without.",
    WriteRefusal.MIN_HOSPITALS_INVALID: "Set the minimum of hospitals between 1 and the number of datasets.",
    WriteRefusal.MIN_COHORT_INVALID: "Set the minimum cohort to at least 1 patient.",
    WriteRefusal.ANSWER_MODE_INVALID: "Set the answer mode to exact or private.",
    WriteRefusal.DURATION_INVALID: "Set the duration between one second and ten years.",
    WriteRefusal.STUDY_UNKNOWN: "Name a study that was proposed.",
    WriteRefusal.STUDY_CLOSED: "The study is decided or cancelled; propose a new one.",
    WriteRefusal.STUDY_NOT_APPROVED: "Wait until the ethics board has approved the study.",
    WriteRefusal.VOTE_UNDECIDED: "More members of the board have to vote before the study is decided.",
    WriteRefusal.OWN_STUDY: "Nobody votes on their own study; leave it to the rest of the board.",
    WriteRefusal.RECUSED: "This member takes no part in the vote, for good; leave it to the rest of the board.",
    WriteRefusal.CONDITIONS_WITH_REFUSAL: "Vote for the study under conditions, or against it without any.",
    WriteRefusal.NO_CONDITIONS: "No vote on this study set conditions; there is nothing to agree to.",
    WriteRefusal.CONDITIONS_MISMATCH: "A vote set other conditions since; read them, and agree to those of now.",
    WriteRefusal.ALREADY_AGREED: "The data user has already agreed to exactly these conditions.",
    WriteRefusal.CONDITIONS_OPEN: "The data user has to read the board's conditions and agree to them first.",
    WriteRefusal.ALREADY_ACCEPTED: "The dataset's holder has already accepted this study.",
    WriteRefusal.NOT_ACCEPTED: "Wait until the holder of every dataset has accepted the study.",
    WriteRefusal.PERMIT_EXISTS: "The permit was issued; it can be revoked, not cancelled or issued again.",
    WriteRefusal.FREEZE_INVALID: "Freeze for at least one second and at most seven days.",
    WriteRefusal.FREEZE_SPENT: "Every account can freeze a permit once; ask another, or vote to revoke it.",
    WriteRefusal.PERMIT_NOT_FROZEN: "The permit is not frozen; there is nothing to lift.",
    WriteRefusal.KIND_INVALID: "Name a round (1) or a query (2).",
    WriteRefusal.NOT_NEXT: "Open rounds and queries one after the other, each with the next number.",
    WriteRefusal.NOT_PROOFS_CONTRACT: "Send a proof to the contract Proofs: nothing else makes a version proven.",
    WriteRefusal.TABLES_EXIST: "The layout's tables are registered; go on and prove.",
    WriteRefusal.TABLES_MISSING: "Register the tables of the dataset's layout first.",
    WriteRefusal.LAYOUT_INVALID: "Give a layout as docs/protocol.md describes it, with a boundary for each width.",
    WriteRefusal.LAYOUT_TOO_WIDE: "At most 256 columns are committed; a column that may be missing takes two.",
    WriteRefusal.CEREMONY_MISMATCH: "Take the boundary's points and path from the KZG ceremony's file.",
    WriteRefusal.VERSION_UNKNOWN: "Register the version before its proof.",
    WriteRefusal.ALREADY_PROVEN: "The version is proven; there is nothing left to do.",
    WriteRefusal.DICTIONARY_MISMATCH: "Give the layout and the text's hash of the dictionary that the dataset names.",
    WriteRefusal.CHUNKS_INVALID: "Give 1 to 256 column chunks within the version; of a total, all of its column's.",
    WriteRefusal.ROWS_MISMATCH: "The parts' rows have to add up to the version's; register the version as it is.",
    WriteRefusal.PART_OUT_OF_PLACE: "Send the parts in order, each with the state that the one before it ended with.",
    WriteRefusal.COMMITMENTS_MISMATCH: "Give the commitments that the version was registered with, or register anew.",
    WriteRefusal.PROOF_MALFORMED: "A list is longer or shorter than the statement implies; make the proof anew.",
    WriteRefusal.SCALAR_INVALID: "A number is not below the group order; make the proof anew.",
    WriteRefusal.POINT_INVALID: "A point is not on the curve or not in its subgroup; make the proof anew.",
    WriteRefusal.COMMITMENT_AT_INFINITY: "A column's commitment has no blinding; commit and register anew.",
    WriteRefusal.CHALLENGE_INVALID: "One proof in 2^240 meets this; make it anew.",
    WriteRefusal.PROOF_INVALID: "The proof does not show what it states, here and of this holder; make it anew.",
    WriteRefusal.PRECOMPILE_MISSING: "The chain lacks the precompiles of EIP-2537 or EIP-4844; use one with Prague.",
    WriteRefusal.ANSWER_NOT_EXACT: "Only permits that answer exactly have totals; where noise is added, none is known.",
    WriteRefusal.TOTAL_EXISTS: "This total of this query is published; read it there.",
    WriteRefusal.QUESTION_FILTERED: "Publish the answer to a query without a filter; ask it anew without one.",
    WriteRefusal.ANSWER_MISSING: "Wait until every hospital of the query has recorded its answer.",
    WriteRefusal.COLUMN_INVALID: "Name column 0, a column of the dictionary, or the column of where it has values.",
    WriteRefusal.TOTAL_OUT_OF_RANGE: "So many rows cannot have this total; publish the one that was decrypted.",
    WriteRefusal.TOTAL_REFUTED: "The registered columns do not have this total; publish what answer.verify() accepts.",
    WriteRefusal.RELEASE_EXISTS: "This model was announced under this permit before, and each is announced once.",
    WriteRefusal.RELEASE_UNKNOWN: "Name a model that was announced for release under this permit.",
    WriteRefusal.RELEASE_CLOSED: "This release is withdrawn for good, by its data user or with its permit.",
    WriteRefusal.OBJECTIONS_CLOSED: "The time for objections is over; ask the ethics board to revoke the permit.",
    WriteRefusal.OBJECTIONS_OPEN: "Wait until the time for objections is over: then the board knows all of them.",
    WriteRefusal.OBJECTIONS_CHANGED: "There are other objections than when this was signed: read them, and sign anew.",
    WriteRefusal.ALREADY_OBJECTED: "Every account objects once; the board decides on it.",
    WriteRefusal.NOT_INVOLVED: "Only the ethics board and holders of datasets that the permit names can object.",
    WriteRefusal.NOT_OBJECTED: "Nothing stands against this release that the board could decide on.",
    WriteRefusal.NOT_RELEASED: "Settle it once nothing stands against it and the time for objections is over.",
    WriteRefusal.ALREADY_SETTLED: "This release is final; there is nothing left to do.",
}
