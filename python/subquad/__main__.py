"""``python -m subquad ..`` and the command ``subquad``: the command-line tool that the package carries."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main() -> int:
    tool = Path(__file__).parent / "bin" / "subquad"
    if not tool.exists():
        print("subquad: this package was built without the command-line tool", file=sys.stderr)
        return 1
    os.execv(tool, ["subquad", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
