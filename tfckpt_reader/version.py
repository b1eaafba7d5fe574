"""The version of this package.

Apart from the public names, so that whatever writes a file can say what wrote it.
"""

__version__ = "0.1.0"
