"""Folders of a run outside its --work: named by its process, and cleared by the next run."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

PREFIX = "brevdue-powerloss."
SHARED_MEMORY = Path("/dev/shm")
ROOM_WANTED = 2048  # MiB


def _plain():
    return Path(tempfile.gettempdir())


def for_sockets():
    """Paths of sockets must be short. The roles run under another account when root runs this."""
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}.", dir=_plain()))
    folder.chmod(0o755)
    return folder


def in_memory(otherwise):
    """For images, which are written whole for each cut: memory, where there is enough of it."""
    parent = otherwise
    if SHARED_MEMORY.is_dir():
        done = subprocess.run(["df", "--output=avail", "-B1M", SHARED_MEMORY], capture_output=True,
                              text=True)
        if done.returncode == 0 and int(done.stdout.split()[-1]) > ROOM_WANTED:
            parent = SHARED_MEMORY
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}.", dir=parent))


def clear(otherwise):
    """What runs left that were killed themselves."""
    for parent in {_plain(), SHARED_MEMORY, otherwise}:
        for folder in parent.glob(PREFIX + "*.*"):
            owner = folder.name[len(PREFIX):].partition(".")[0]
            if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
                shutil.rmtree(folder, ignore_errors=True)
