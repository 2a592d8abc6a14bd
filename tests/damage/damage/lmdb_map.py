"""The regions of the LMDB backend's file: LMDB 0.9's pages, and in them the records of
backends/lmdb/FORMAT.md."""

import struct

from .regions import Region

PAGE = 4096
HEADER = 16
BRANCH, LEAF, OVERFLOW = 1, 2, 4
BIG_DATA, SUB_DATABASE = 1, 2
DATABASE = struct.Struct("<IHHQQQQQ")


class Environment:
    def __init__(self, file, data, name_of):
        self.file = file
        self.data = data
        self.name_of = name_of
        self.found = []

    def add(self, start, end, kind, ids=()):
        self.found.append(Region(self.file, start, end, kind, ids))

    def meta(self):
        """The databases of the newest meta page: of free pages, and of names."""
        best = None
        for number in (0, 1):
            at = number * PAGE + HEADER
            self.add(number * PAGE, at + 24 + 96 + 16, "meta page")
            transaction = struct.unpack_from("<Q", self.data, at + 24 + 96 + 8)[0]
            databases = [DATABASE.unpack_from(self.data, at + 24 + 48 * i) for i in (0, 1)]
            if best is None or transaction > best[0]:
                best = (transaction, databases)
        return best[1]

    def nodes(self, page):
        """(offset, size of the node's head, flags, key, offset of the value, its size)"""
        base = page * PAGE
        lower = struct.unpack_from("<H", self.data, base + 12)[0]
        for i in range((lower - HEADER) // 2):
            at = base + struct.unpack_from("<H", self.data, base + HEADER + 2 * i)[0]
            low, high, flags, key_size = struct.unpack_from("<HHHH", self.data, at)
            yield at, low | high << 16, flags, self.data[at + 8:at + 8 + key_size], at + 8 + key_size

    def walk(self, root, visit):
        if root == 2 ** 64 - 1:
            return
        base = root * PAGE
        flags = struct.unpack_from("<H", self.data, base + 10)[0]
        lower = struct.unpack_from("<H", self.data, base + 12)[0]
        if flags & BRANCH:
            self.add(base, base + lower, "branch page")
            for at, low, high_bits, key, value in self.nodes(root):
                self.add(at, value, "branch page")
                self.walk(low | high_bits << 32, visit)
            return
        self.add(base, base + lower, "leaf page")
        for node in self.nodes(root):
            visit(*node)

    def envelope(self, at, size, flags, key, value):
        ids = (self.name_of(struct.unpack("<Q", key)[0]),)
        self.record(at, size, flags, value, "envelope", ids)

    def settlement(self, at, size, flags, key, value):
        ids = (self.name_of(struct.unpack(">Q", key[:8])[0]),)
        self.record(at, size, flags, value, "settlement", ids)

    def record(self, at, size, flags, value, kind, ids):
        if not flags & BIG_DATA:
            return self.add(at, value + size, kind, ids)
        self.add(at, value + 8, kind, ids)
        start = self.overflow(value)
        self.add(start, start + size, kind, ids)

    def overflow(self, value):
        page = struct.unpack_from("<Q", self.data, value)[0]
        self.add(page * PAGE, page * PAGE + HEADER, "overflow header")
        return page * PAGE + HEADER

    def blob(self, at, size, flags, key, value):
        start = value
        if flags & BIG_DATA:
            self.add(at, value + 8, "blob node")
            start = self.overflow(value)
        else:
            self.add(at, value, "blob node")
        count = struct.unpack_from("<I", self.data, start + 4)[0]
        self.add(start, start + 8 + 16 * count, "blob list")
        for i in range(count):
            number, offset, length = struct.unpack_from("<QII", self.data, start + 8 + 16 * i)
            self.add(start + offset, start + offset + length, "content", (self.name_of(number),))

    def other(self, kind):
        def visit(at, size, flags, key, value):
            self.add(at, value + (8 if flags & BIG_DATA else size), kind)
            if flags & BIG_DATA:
                start = self.overflow(value)
                self.add(start, start + size, kind)
        return visit

    def regions(self):
        free, main = self.meta()
        self.walk(free[7], self.other("free list"))
        named = {}

        def database(at, size, flags, key, value):
            self.add(at, value + size, "database")
            named[key] = DATABASE.unpack_from(self.data, value)[7]
        self.walk(main[7], database)
        self.walk(named[b"envelopes"], self.envelope)
        self.walk(named[b"settlements"], self.settlement)
        self.walk(named[b"contents"], self.blob)
        self.walk(named[b"sparse"], self.other("life"))
        return self.found


def regions(spool, name_of):
    return Environment("lmdb/data.mdb", (spool / "lmdb" / "data.mdb").read_bytes(), name_of).regions()
