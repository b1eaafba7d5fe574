"""``python -m tfckpt_reader``: the command `tfckpt`."""

import sys

from tfckpt_reader.cli import main

if __name__ == "__main__":
    sys.exit(main())
