"""Random changes of a spool's files: which, and what they did to its regions."""

from dataclasses import dataclass

SECTOR = 512


@dataclass(frozen=True)
class Change:
    what: str  # flip, zero, cut
    file: str
    start: int
    bits: int = 0

    def __str__(self):
        return f"{self.what} {self.file} at {self.start}"


def choose(spool_map, rng, count):
    """`count` changes. The kind of region is chosen first, so that the few bytes that hold all
    together are not drowned by contents; in a file with many messages one in fifty is a cut."""
    changes = []
    kinds = sorted(spool_map.kinds)
    while len(changes) < count:
        region = rng.choice(spool_map.kinds[rng.choice(kinds)])
        at = rng.randrange(region.start, region.end)
        alone = region.kind == "content" and not region.file.startswith(("iouring/", "lmdb/"))
        draw = rng.random()
        if draw < (0.25 if alone or region.file.startswith("maildir/") else 0.02):
            changes.append(Change("cut", region.file, at))
        elif draw < 0.45:
            changes.append(Change("zero", region.file, at // SECTOR * SECTOR))
        else:
            changes.append(Change("flip", region.file, at, rng.randrange(1, 256)))
    return changes


def apply(spool, changes):
    for change in changes:
        with open(spool / change.file, "r+b") as file:
            size = file.seek(0, 2)
            if change.start >= size:
                continue
            if change.what == "cut":
                file.truncate(change.start)
                continue
            file.seek(change.start)
            if change.what == "flip":
                old = file.read(1)[0]
                file.seek(change.start)
                file.write(bytes([old ^ change.bits]))
            else:
                file.write(b"\0" * min(SECTOR, size - change.start))


class Effects:
    """What differs between the spool as it was and as it is, in the words of the map."""

    def __init__(self, spool_map, pristine, spool, changes):
        self.touched = {}      # id → kinds of its own regions
        self.structure = set()  # kinds
        self.regions = []
        for name in sorted({change.file for change in changes}):
            before = pristine[name]
            after = (spool / name).read_bytes()
            for region in spool_map.by_file.get(name, ()):
                if before[region.start:region.end] == after[region.start:region.end]:
                    continue
                self.regions.append(region)
                if not region.ids or region.kind == "tombstone":
                    self.structure.add(region.kind)
                else:
                    for queue_id in region.ids:
                        self.touched.setdefault(queue_id, set()).add(region.kind)
