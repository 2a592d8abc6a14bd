"""The regions of the log's segments (backends/iouring/FORMAT.md)."""

import struct

from .regions import Region

BLOCK = 4096
BATCH = struct.Struct("<I2H2I3Q4I12xI")
RECORD = struct.Struct("<IBBHQIIQIIIII")
KINDS = {1: "envelope", 2: "settlement", 3: "tombstone", 4: "survivors"}


def records(file, data, at, end, name_of):
    while at + RECORD.size <= end:
        size, kind, *_rest = RECORD.unpack_from(data, at)
        number, first = _rest[2], _rest[7]
        ids = () if kind == 4 else (name_of(number),)
        yield Region(file, at, at + RECORD.size + first, KINDS[kind], ids)
        if RECORD.size + first < size:
            yield Region(file, at + RECORD.size + first, at + size, "content", ids)
        at += size


def segment(file, data, name_of):
    if data[:4] != b"BRVS":
        return
    for copy in (0, BLOCK):
        yield Region(file, copy, copy + 48, "segment header")
    size, generation = struct.unpack_from("<II", data, 12)
    at = 2 * BLOCK
    while at < size - BLOCK and data[at:at + 4] == b"BRVB":
        found = BATCH.unpack_from(data, at)
        length = found[9]
        if found[3] != generation:
            break
        yield Region(file, at, at + BATCH.size, "batch header")
        yield from records(file, data, at + BATCH.size, at + BATCH.size + length, name_of)
        at += -(-(BATCH.size + length) // BLOCK) * BLOCK
    if data[size - BLOCK:size - BLOCK + 4] == b"BRVF":
        yield Region(file, size - BLOCK, size - BLOCK + 40, "footer")


def regions(spool, name_of):
    for path in sorted((spool / "iouring").glob("segment-????????")):
        yield from segment(str(path.relative_to(spool)), path.read_bytes(), name_of)
