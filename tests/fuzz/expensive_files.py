"""Search for the most expensive small files: hill-climbing on counted calls, by hypothesis.

``python tests/fuzz/expensive_files.py [SECONDS [BYTES]]`` spends the seconds on all kinds of
`expensive` alike, in 1 GiB of address space, and prints the worst of each; exit code 1 if any
needed more than `MOST_CALLS` for a byte and `FREE_CALLS`, or ended otherwise than a command may.
"""

from __future__ import annotations

import resource
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, settings, target
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
import expensive

MEMORY = 1 << 30
MOST_CALLS, FREE_CALLS = 50, 25_000_000
DIALS = st.lists(st.integers(0, 1000), min_size=expensive.DIALS, max_size=expensive.DIALS)


class Ended(BaseException):
    """The time for a kind is over."""


@dataclass
class Worst:
    """The most expensive file of a kind so far."""

    calls: int = 0
    seconds: float = 0.0
    command: str = ""
    dials: list[float] = field(default_factory=list)
    tried: int = 0
    failures: list[str] = field(default_factory=list)


def search(kind: str, size: int, seconds: float) -> Worst:
    """Turn the dials of a kind for some seconds."""
    worst, end = Worst(), time.monotonic() + seconds

    @settings(
        max_examples=1_000_000,
        deadline=None,
        verbosity=Verbosity.quiet,
        database=None,
        phases=[Phase.generate, Phase.target],
        suppress_health_check=list(HealthCheck),
    )
    @given(DIALS)
    def turn(numbers: list[int]) -> None:
        if time.monotonic() > end:
            raise Ended
        dials, began = [number / 1000 for number in numbers], time.monotonic()
        worst.tried += 1
        try:
            done = expensive.work_of(kind, size, dials, MOST_CALLS * size + FREE_CALLS)
        except expensive.TooMuch:
            worst.failures.append(f"too much: {dials}")
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            worst.failures.append(f"{type(error).__name__}: {error}: {dials}")
            return
        command, (_, calls) = max(done.items(), key=lambda item: item[1][1])
        if not {code for code, _ in done.values()} <= {0, 1, 2}:
            worst.failures.append(f"{done}: {dials}")
        if calls > worst.calls:
            worst.calls, worst.command, worst.dials = calls, command, dials
            worst.seconds = time.monotonic() - began
        target(float(calls))

    with suppress(Ended):
        turn()
    return worst


def main(seconds: float, size: int) -> int:
    """Search all kinds; return 1 if one broke the bound."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    failed = False
    for kind in expensive.KINDS:
        worst = search(kind, size, seconds / len(expensive.KINDS))
        sys.stdout.write(
            f"{kind:11} {worst.tried:6} tried, most {worst.calls:11,} calls by {worst.command!r}"
            f" ({worst.seconds:.1f} s for all commands, counted) {worst.dials}\n"
        )
        for failure in dict.fromkeys(worst.failures[:5]):
            sys.stdout.write(f"    FAILED {failure}\n")
        sys.stdout.flush()
        failed = failed or bool(worst.failures)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    sys.stdout.write(f"files of {size:,} bytes; at most {peak} MiB of memory\n")
    return int(failed)


if __name__ == "__main__":
    given_words = sys.argv[1:]
    sys.exit(
        main(
            float(given_words[0]) if given_words else 1200,
            int(given_words[1]) if len(given_words) > 1 else 100_000,
        )
    )
