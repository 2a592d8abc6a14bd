"""Which bytes of a spool mean what: the regions that changes are made in and judged by."""

import bisect
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Region:
    """`ids`: the messages whose own bytes these are; none of what holds others together."""
    file: str
    start: int
    end: int
    kind: str  # envelope, content, settlement, tombstone, or a name of structure
    ids: tuple = ()


@dataclass
class SpoolMap:
    """Of a spool that nobody has changed."""
    regions: list
    by_file: dict = field(default_factory=dict)
    starts: dict = field(default_factory=dict)
    kinds: dict = field(default_factory=dict)

    def __post_init__(self):
        for region in sorted(self.regions, key=lambda one: (one.file, one.start)):
            self.by_file.setdefault(region.file, []).append(region)
            self.kinds.setdefault(region.kind, []).append(region)
        self.starts = {name: [one.start for one in found] for name, found in self.by_file.items()}

    def overlapping(self, file, start, end):
        """The regions of which bytes lie in [start, end)."""
        found = self.by_file.get(file, [])
        first = max(0, bisect.bisect_right(self.starts.get(file, []), start) - 1)
        for region in found[first:]:
            if region.start >= end:
                break
            if region.end > start:
                yield region


OWN = ("envelope", "content", "settlement")  # what a message's record is made of
