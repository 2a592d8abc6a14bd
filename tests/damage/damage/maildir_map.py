"""The regions of the directory backend's files (backends/maildir/FORMAT.md)."""

import struct

from .regions import Region

HEADER = struct.Struct("<4sIQII")
KINDS = {1: "envelope", 2: "content", 3: "settlement"}


def regions(spool, name_of):
    for path in sorted((spool / "maildir").iterdir()):
        data = path.read_bytes()
        file = str(path.relative_to(spool))
        at = 0
        while at < len(data):
            magic, kind, length, _payload, _own = HEADER.unpack_from(data, at)
            if magic != b"BRM1":
                raise ValueError(f"{file}: no record at {at}")
            end = at + HEADER.size + length
            yield Region(file, at, end, KINDS[kind], (path.name,))
            at = end
