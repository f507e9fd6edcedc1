"""Values for calls of any function of a contract's interface."""

import re


def zero(kind):
    """The emptiest value of an ABI type."""
    if kind.endswith("[]"):
        return []
    if fixed := re.fullmatch(r"(.*)\[(\d+)\]", kind):
        return [zero(fixed[1])] * int(fixed[2])
    if kind.startswith("("):
        return tuple(zero(each) for each in re.findall(r"\([^()]*\)(?:\[\d*\])*|[^,()]+", kind[1:-1]))
    plain = {"string": "", "bytes": b"", "bool": False, "address": "0x" + "00" * 20}
    if kind in plain:
        return plain[kind]
    return 0 if "int" in kind else bytes(int(kind.removeprefix("bytes")))
