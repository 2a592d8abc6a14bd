"""What Brevdue said of damage: in its log, and by what lies in the quarantine."""

import re

PAGE = 4096


class Reports:
    def __init__(self, backend, log, spool):
        self.errors = [line for line in log.splitlines() if " error: " in line]
        self.text = "\n".join(self.errors)
        self.rebuilt = "built anew" in log
        self.ranges = []  # (file, start, end)
        if backend == "iouring":
            self.of_log(spool)
        if backend == "lmdb":
            self.of_pages()

    def of_log(self, spool):
        for number, generation, offset in re.findall(r"segment-(\d{8})\.(\d+)\.(\d+): ", self.text):
            kept = spool / "quarantine" / f"segment-{number}.{generation}.{offset}"
            size = kept.stat().st_size if kept.exists() else 0
            self.ranges.append((f"iouring/segment-{number}", int(offset), int(offset) + size))
        for number, size in re.findall(r"segment-(\d{8}): cut from \d+ to (\d+) bytes", self.text):
            self.ranges.append((f"iouring/segment-{number}", int(size), 1 << 62))
        for number in re.findall(r"segment-(\d{8}): neither copy", self.text):
            self.ranges.append((f"iouring/segment-{number}", 0, 1 << 62))

    def of_pages(self):
        for page in re.findall(r"lmdb/data.mdb at byte (\d+)", self.text):
            self.ranges.append(("lmdb/data.mdb", int(page) // PAGE * PAGE, (int(page) // PAGE + 1) * PAGE))
        for size in re.findall(r"how long it was is not known; it has (\d+) bytes", self.text):
            self.ranges.append(("lmdb/data.mdb", int(size), 1 << 62))
        for size in re.findall(r"data.mdb is cut short: (\d+) of \d+ pages", self.text):
            self.ranges.append(("lmdb/data.mdb", int(size) * PAGE, 1 << 62))

    def names(self, queue_id, regions):
        """Whether an error names the message, or a place in which some of it lay."""
        if queue_id in self.text:
            return True
        return any(file == region.file and start < region.end and region.start < end
                   for region in regions for file, start, end in self.ranges)
