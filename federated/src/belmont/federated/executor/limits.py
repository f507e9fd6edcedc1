"""What one task may use of the hospital's machine. The hospital's own configuration sets it, never a request."""

from dataclasses import dataclass

from belmont.federated.errors import NodeFault


@dataclass(frozen=True)
class Limits:
    """Of one task. Raises NodeFault for a limit that is not positive."""

    wall_seconds: float = 600.0
    """From handing the task over until its last byte of answer."""
    cpu_seconds: int = 600
    memory_bytes: int = 4 << 30
    """Address space (RLIMIT_AS), of which the warm interpreter takes about 250 MB."""
    home_bytes: int = 64 << 20
    """Size of the home, which lies in memory, and of any one file."""
    open_files: int = 64
    threads: int = 32
    """Threads (RLIMIT_NPROC). Other processes a task cannot start."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < 2**62:
                raise NodeFault(f"the limit {name} has to be positive, and not {value}")
