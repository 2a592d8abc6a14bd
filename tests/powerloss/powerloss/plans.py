"""What a run consists of: for each backend its parts, how often each, and what each needs."""

import os
from dataclasses import dataclass

# The mirror is of two logs and in process; tests/durability/mirror cuts real ones.
BACKENDS = ("iouring", "lmdb", "maildir", "mirror")
PARTS = ("faults", "simulated", "recorded", "torn", "syncs")
ON_FILE_SYSTEMS = ("recorded", "torn", "syncs")
# {part: {file system: count}}; "" for what runs on none of its own.
WHOLE = {
    "faults": {"": 3000},
    "simulated": {"": 100_000},
    "recorded": {"ext4": 1000, "xfs": 1000, "btrfs": 100},
    "torn": {"ext4": 80, "xfs": 80, "btrfs": 40},
    # Half of the file systems do not live through it.
    "syncs": {"ext4": 40, "xfs": 40},
}
QUICK = {
    "faults": {"": 150},
    "simulated": {"": 1000},
    "recorded": {"ext4": 15, "xfs": 8, "btrfs": 4},
    "torn": {"ext4": 8},
    "syncs": {"ext4": 3},
}
# btrfs takes for granted that 4 KiB are written whole or not at all.
SECTORS = {"ext4": 512, "xfs": 512, "btrfs": 4096}


@dataclass(frozen=True)
class Plan:
    backend: str
    part: str
    file_system: str
    count: int
    seed: int

    @property
    def name(self):
        return "-".join(filter(None, (self.backend, self.part, self.file_system)))

    @property
    def sector(self):
        """Of what is torn; 0 for writes that stay whole."""
        return SECTORS[self.file_system] if self.part == "torn" else 0


def plans_for(backends, parts, file_systems, counts, seed, count=None):
    """In the order in which they run. `count` replaces what each would do."""
    return [Plan(backend, part, system, count or number, seed)
            for backend in backends for part in PARTS
            if part in parts and not (backend == "mirror" and part in ON_FILE_SYSTEMS)
            for system, number in counts.get(part, {}).items()
            if not system or system in file_systems]


def why_not(parts):
    """Why this machine cannot run these parts, or None."""
    if any(part in ON_FILE_SYSTEMS for part in parts):
        if os.geteuid() != 0:
            return "needs root, for mounts and loop devices"
        for device in ("/dev/loop-control", "/dev/fuse"):
            if not os.path.exists(device):
                return f"there is no {device}"
    return None
