# pragma version 0.4.3
"""
@title Votes and records of every shape, for the tests of the light client
"""

flag Kind:
    TRAINING
    QUERY

struct Part:
    amount: uint8
    label: String[40]

struct Entry:
    owner: address
    part: Part
    parts: DynArray[Part, 3]
    closed: bool
    fixed: uint64[3]
    tag: bytes4
    blob: Bytes[70]

event VoteCast:
    actor: indexed(address)
    study: indexed(uint64)
    approve: bool
    reasonHash: bytes32

event Labelled:
    actor: indexed(address)
    label: String[40]

count: public(uint256)
_entries: HashMap[uint64, HashMap[bytes32, Entry]]
_names: HashMap[String[10], int128]
_blobs: HashMap[bytes4, Bytes[70]]
_by: HashMap[address, HashMap[bool, uint8]]
_signed: HashMap[int8, Kind]
_lists: DynArray[DynArray[uint8, 2], 5]
kind: Kind


@external
def vote(study: uint64, approve: bool, reasonHash: bytes32):
    assert study != 0, "STUDY_UNKNOWN"
    self.count += 1
    log VoteCast(actor=msg.sender, study=study, approve=approve, reasonHash=reasonHash)


@external
def twice(study: uint64, label: String[40]):
    log VoteCast(actor=msg.sender, study=study, approve=True, reasonHash=empty(bytes32))
    log Labelled(actor=msg.sender, label=label)


@external
def put(study: uint64, key: bytes32, entry: Entry):
    self._entries[study][key] = entry


@external
def fill(name: String[10], number: int128, key: bytes4, blob: Bytes[70], place: int8):
    self._names[name] = number
    self._blobs[key] = blob
    self._by[msg.sender][True] = 7
    self._signed[place] = Kind.QUERY
    self._lists = [[1, 2], [], [3]]
    self.kind = Kind.QUERY
