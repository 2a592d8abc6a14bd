"""File systems whose writes or syncs fail on demand, and work again later.

`fail` makes it fail, `heal` takes the cause away, `is_alive` says whether the file system has lived
through it (a journal or log that could not be written ends one until it is mounted anew, which
nobody can do under a running service), `cut` takes away whatever only memory holds, for `restore`
to show what is really on the disk.
"""

import fcntl
import os
import socket
import time

from durability.storage import MKFS, MOUNT_OPTIONS, ForgetfulDisk, StorageFailure, run_tool

IMAGE_SIZE = {"ext4": 160, "xfs": 300}  # MiB
MEMORY_SIZE = 400


def ask(control, command):
    """One command to a disk of ours."""
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(20)
        channel.connect(str(control))
        channel.sendall(command.encode() + b"\n")
        answer = channel.makefile().readline().strip()
    if not answer.startswith("ok"):
        raise StorageFailure(f"{command}: {answer or 'no answer'}")


def unmount(where):
    """In order while its users may be about to end, and lazily after that."""
    for _ in range(40):
        if not os.path.ismount(where):
            return
        try:
            return run_tool("umount", where)
        except StorageFailure:
            time.sleep(0.05)
    run_tool("umount", "-l", where)


def wait_until_free(image):
    """The disk that served it holds a lock on it until it has ended."""
    if not image.exists():
        return
    with open(image, "rb") as file:
        for _ in range(500):
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.02)
    raise StorageFailure(f"{image} is still served after ten seconds")


def is_alive(folder):
    """Whether a file can be made and synced there."""
    path = folder / "probe"
    try:
        with open(path, "wb") as probe:
            probe.write(b"x" * 4096)
            probe.flush()
            os.fsync(probe.fileno())
        path.unlink()
        return True
    except OSError:
        return False


class FullMemory:
    """An image on a tmpfs that is filled: what needs a block that was free at first fails.

    Journal, log and tables have their blocks, so that the file system lives on and drops the pages
    that it could not write. Between tmpfs and loop device stands bench/disk: a loop device alone
    calls a write that ended short a success.
    """

    name = "tmpfs full"

    def __init__(self, folder, bin_folder, file_system):
        self.memory = folder / "memory"
        self.mount = folder / "mnt"
        self.spool = self.mount / "spool"
        self.image = self.memory / "image"
        self.fuse = folder / "fuse"
        self.control = folder / "control"
        self.program = bin_folder / "brevdue-disk"
        self.file_system = file_system

    def prepare(self):
        self.remove()
        for place in (self.memory, self.mount, self.fuse):
            place.mkdir()
        run_tool("mount", "-t", "tmpfs", "-o", f"size={MEMORY_SIZE}m", "tmpfs", self.memory)
        size = f"{IMAGE_SIZE[self.file_system]}M"
        run_tool("truncate", "-s", size, self.image)
        run_tool(*MKFS[self.file_system], self.image)
        run_tool("fallocate", "-l", size, self.image)
        # Gives back the blocks that are free, and no others.
        run_tool("mount", "-o", "loop", self.image, self.mount)
        run_tool("fstrim", self.mount)
        run_tool("umount", self.mount)
        self._attach()

    def _attach(self):
        run_tool(self.program, "serve", self.image, self.fuse, "--background", "--control",
                 self.control)
        loop = run_tool("losetup", "--direct-io=on", "-f", "--show", self.fuse / "disk").strip()
        run_tool("mount", "-t", self.file_system, "-o", MOUNT_OPTIONS[self.file_system], loop,
                 self.mount)

    def fail(self, _chance):
        block = bytes(4096)
        try:
            with open(self.memory / "filler", "wb", buffering=0) as filler:
                while filler.write(block) == len(block):
                    pass
        except OSError:
            pass

    def heal(self):
        (self.memory / "filler").unlink()

    def is_alive(self):
        return is_alive(self.mount)

    def cut(self, _number, _chance):
        """What is dirty is written; what failed and is only in the page cache is forgotten."""
        return "mounted anew"

    def restore(self):
        self._detach()
        self._attach()

    def _detach(self):
        unmount(self.mount)
        if os.path.ismount(self.fuse):
            for loop in run_tool("losetup", "-n", "-O", "NAME", "-j", self.fuse / "disk").split():
                run_tool("losetup", "-d", loop)
        if os.path.ismount(self.fuse):
            ask(self.control, "quit")
        unmount(self.fuse)
        wait_until_free(self.image)

    def remove(self):
        if self.memory.exists():
            self._detach()
            unmount(self.memory)
        for place in (self.memory, self.mount, self.fuse):
            if os.path.exists(place):
                os.rmdir(place)


class FailingDisk(ForgetfulDisk):
    """bench/disk with a fault plan; its cache forgets, so that a cut shows what was flushed."""

    def __init__(self, folder, bin_folder, file_system, request):
        super().__init__(folder, bin_folder, file_system)
        self.mount = self.folder / "mnt"
        self.request = request
        self.name = f"disk fails a {request}"

    def fail(self, chance):
        often = chance.choice(["1", "3", "all"])
        error = chance.choice(["EIO", "ENOSPC"])
        ask(self.folder / "control", f"fail {self.request} {often} {error}")

    def heal(self):
        ask(self.folder / "control", "heal")

    def is_alive(self):
        return is_alive(self.mount)

    def cut(self, number, chance):
        return super().cut(0, chance)


# They take turns. The log writes into blocks that it has: a full disk costs it room, no sync.
TURNS = {"iouring": ("write", "flush", "write", None), "lmdb": (None, "write", "flush"),
         "maildir": (None, "write", None, "flush")}


def medium_for(backend, number, folder, bin_folder, file_system):
    turns = TURNS[backend]
    request = turns[number % len(turns)]
    if request is None:
        return FullMemory(folder, bin_folder, file_system)
    return FailingDisk(folder, bin_folder, file_system, request)
