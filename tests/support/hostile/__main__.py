"""Write every case to a folder of its own, or print the table."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hostile import CASES
from hostile.outcomes import as_table, compared


def main() -> None:
    """Write every case to a folder of its own, or print the table."""
    if sys.argv[1:] != ["--table"]:
        for case in CASES:
            case.write(Path(sys.argv[1]) / case.name)
        return
    import tempfile

    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # paths in messages begin with the name of the case
        outcomes = compared(Path())
        os.chdir(here)
    print(as_table(outcomes))  # noqa: T201 - what was asked for
    for outcome in outcomes:
        for wrong in outcome.wrong:
            print(f"WRONG {outcome.case.name}: {wrong}")  # noqa: T201


if __name__ == "__main__":
    main()
