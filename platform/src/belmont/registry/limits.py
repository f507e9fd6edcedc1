"""What a record can hold: the bounds that the contracts, the reference model and the argument checks share.

Sizes are bytes of UTF-8, times are seconds. ``tests/contracts`` holds these numbers against the Vyper sources.
"""

TEXT_MAX_BYTES = 64
DID_MAX_BYTES = 96
CID_MAX_BYTES = 64
DATASETS_MAX = 16
FOUNDERS_MAX = 32
MEMBERS_MAX = 256
ROUNDS_MAX = 10_000
QUERIES_MAX = 10_000
DURATION_MAX_SECONDS = 10 * 365 * 24 * 3600
FREEZE_MAX_SECONDS = 7 * 24 * 3600
ISSUE_MAX_SECONDS = 365 * 24 * 3600
"""An application that has no permit after so long lapses."""
GRANT_SECONDS = 24 * 3600
"""A patient's grant comes so long after the statement before it."""
RETENTION_MIN_SECONDS = 365 * 24 * 3600
RETENTION_MAX_SECONDS = 5 * 365 * 24 * 3600
CATEGORIES_MASK = 255
"""Categories of data in a dataset and in a consent's scope (docs/consents.md)."""

CHUNK_ROWS = 4032
"""Rows of data in one chunk of a committed column (docs/protocol.md, A)."""
PART_COLUMNS_MAX = 256
"""Column chunks in one part of a proof."""
TOTAL_HOSPITALS_MIN = 3
TOTAL_CHUNKS_MAX = 64
"""Chunks of one hospital's column in a published total."""
TOTAL_COLUMNS_MAX = 256
QUESTION_MAX_BYTES = 1024
LAYOUT_MAX_BYTES = 3 + 3 * 248
RECIPIENTS_MAX = 8
"""Accounts that a consent names."""

DUO_TERMS = (4, 6, 7, 11, 12, 15, 16, 18, 19, 20, 21, 22, 24, 25, 26, 27, 28, 29, 42, 43, 44, 45, 46)
"""GA4GH DUO terms that a dataset can carry, as short numbers (4 is DUO:0000004, no restriction)."""
DUO_TERMS_MASK = sum(1 << number for number in DUO_TERMS)
PURPOSES = tuple(range(31, 41))
"""GA4GH DUO investigation purposes, as short numbers (31 is DUO:0000031, method development)."""
PURPOSES_MASK = sum(1 << number for number in PURPOSES)

DELEGATES_MAX = 16
"""Valid delegates of one identity."""
ATTRIBUTE_MAX_BYTES = 512
VALIDITY_MAX_SECONDS = 10 * 365 * 24 * 3600
"""Of a delegate or an attribute."""
