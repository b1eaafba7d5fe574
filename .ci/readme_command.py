"""Print the fenced shell block of README.md that follows ``<!-- NAME -->``.

python .ci/readme_command.py NAME
"""

from __future__ import annotations

import re
import sys
from pathlib import Path


def command(name: str) -> str:
    """Return the lines between the fences."""
    readme = Path(__file__).resolve().parent.parent.joinpath("README.md").read_text("utf-8")
    found = re.search(rf"<!-- {re.escape(name)} -->\s*```\w*\n(.*?)```", readme, re.DOTALL)
    if found is None:
        raise SystemExit(f"README.md has no block marked {name}")
    return found[1]


if __name__ == "__main__":
    sys.stdout.write(command(sys.argv[1]))
