"""The disks that the stores are measured on, each a context with mount_point, device, about and clear()."""

import os
from pathlib import Path

from comparison.image import FILE_SYSTEMS, SpoolImage
from comparison.slow_disk import SlowDisk


def disk_for(options, file_system):
    if options.slow:
        return SlowDisk(options.work, options.image_size, file_system, options.slow, options.bin)
    return SpoolImage(options.work, options.image_size, file_system)


def known_file_systems():
    return list(FILE_SYSTEMS)


def machine():
    """Processor, cores and kernel, as the line above a table names them."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} cores of {model}, kernel {os.uname().release}"
