"""A process that reads a chain into an index, one block a transaction: ``reader.py DATABASE CHAIN MEMBERS ROUNDS``.

Says ``ready`` before it begins and ``done`` when it has. The environment can have it killed: ``KILL_AT=inside,3`` ends
it (SIGKILL) within the third transaction, when all was written and nothing committed; ``after,3`` right after one.
"""

import os
import signal
import sys

from belmont.audit import EventIndex
from belmont.audit import index as index_module
from belmont.registry import event_log
from belmont.registry.chain_registry import ChainRegistry


def main() -> None:
    database, chain, members, rounds = sys.argv[1:]
    event_log.BLOCKS_AT_FIRST = event_log.BLOCKS_MOST = 1
    where, count = os.environ.get("KILL_AT", "never,0").split(",")
    left, add, writing = [int(count)], index_module._add, index_module.writing

    def count_down() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def adding(*values: object) -> None:
        add(*values)
        if where == "inside":
            count_down()

    class Written:
        def __init__(self, engine: object) -> None:
            self._inner = writing(engine)

        def __enter__(self) -> object:
            return self._inner.__enter__()

        def __exit__(self, *error: object) -> object:
            suppressed = self._inner.__exit__(*error)
            if where == "after":
                count_down()
            return suppressed

    registry = ChainRegistry.connect(chain, members)
    index = EventIndex.open(database, registry)
    index_module._add, index_module.writing = adding, Written
    print("ready", flush=True)
    for _ in range(int(rounds)):
        index.catch_up()
    print("done", flush=True)


if __name__ == "__main__":
    main()
