"""What is known of the disks and the machine that the stores are measured on."""

import os
from pathlib import Path

from comparison.image import FILE_SYSTEMS


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
