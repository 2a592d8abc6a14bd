"""Where the spool lies: a plain folder, the disk that forgets, or an image that is shut down."""

import os
import shlex
import shutil
import socket
import subprocess
import time

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SIZE = "512M"
# With nouuid a dead XFS that is still detached does not refuse the next mount.
MOUNT_OPTIONS = {"ext4": "noatime", "xfs": "noatime,nouuid"}
MKFS = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}


class StorageFailure(Exception):
    """A tool of the rig failed; says nothing about what is tested."""


def run_tool(*command):
    environment = os.environ | {"PATH": os.environ.get("PATH", "") + ":" + SYSTEM_PATH}
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        first = (done.stderr or done.stdout).strip().partition("\n")[0]
        raise StorageFailure(f"{shlex.join(map(str, command))}: {first or done.returncode}")
    return done.stdout


def why_not(mode):
    """Why this machine cannot run a mode, or None."""
    if mode in ("cut", "shutdown"):
        if os.geteuid() != 0:
            return "needs root, for mounts and loop devices"
        for device in ("/dev/loop-control", "/dev/fuse" if mode == "cut" else "/dev/loop-control"):
            if not os.path.exists(device):
                return f"there is no {device}"
    return None


class PlainFolder:
    """For kills: the kernel lives on and forgets nothing."""

    def __init__(self, folder):
        self.spool = folder / "spool"

    def prepare(self):
        pass

    def remove(self):
        pass


class ForgetfulDisk:
    """bench/disk under a real file system; a cut loses what no flush covered."""

    def __init__(self, folder, bin_folder, file_system):
        self.folder = folder / "disk"
        self.image = self.folder / "image"
        self.with_disk = bin_folder / "with-disk"
        self.file_system = file_system
        self.spool = self.folder / "mnt" / "spool"

    def prepare(self):
        self.folder.mkdir(exist_ok=True)
        run_tool(self.with_disk, "up", self.folder, "--fs", self.file_system, "--size", SIZE,
                 "--forgetful")

    def cut(self, number, chance):
        # btrfs itself does not survive half a superblock: the copies of it miss what fsync added.
        sector = 4096 if self.file_system == "btrfs" else 512
        kind = ("drop", f"subset {chance.randrange(1 << 30)}",
                f"torn {chance.randrange(1 << 30)} {sector}")[number % 3]
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(20)
            channel.connect(str(self.folder / "control"))
            channel.sendall(f"cut {kind}\n".encode())
            answer = channel.makefile().readline().strip()
        if answer != "ok":
            raise StorageFailure(f"cut {kind}: {answer or 'no answer'}")
        return kind

    def restore(self):
        run_tool(self.with_disk, "remount", self.folder)

    def remove(self):
        if self.folder.exists():
            run_tool(self.with_disk, "down", self.folder)


class ShutDownImage:
    """An image on a loop device; the file system is shut down without writing its log."""

    def __init__(self, folder, bin_folder, file_system):
        self.image = folder / "image"
        self.mount = folder / "mnt"
        self.shutdown = bin_folder / "brevdue-fs-shutdown"
        self.file_system = file_system
        self.loop = None
        self.spool = self.mount / "spool"

    def prepare(self):
        self.remove()
        self.mount.mkdir(exist_ok=True)
        run_tool("truncate", "-s", SIZE, self.image)
        run_tool(*MKFS[self.file_system], self.image)
        try:
            self.loop = run_tool("losetup", "--direct-io=on", "-f", "--show", self.image).strip()
        except StorageFailure:
            # The folder's file system has no direct I/O; what a shutdown loses is the same.
            self.loop = run_tool("losetup", "-f", "--show", self.image).strip()
        self._mount()

    def _mount(self):
        run_tool("mount", "-t", self.file_system, "-o", MOUNT_OPTIONS[self.file_system], self.loop,
                 self.mount)

    def cut(self, _number, _chance):
        run_tool(self.shutdown, self.mount)
        return "shutdown"

    def _unmount(self):
        for last in (False,) * 100 + (True,):
            try:
                return run_tool("umount", self.mount)
            except StorageFailure:
                if last:
                    raise
                time.sleep(0.02)

    def restore(self):
        self._unmount()
        self._mount()

    def remove(self):
        if os.path.ismount(self.mount):
            self._unmount()
        if self.image.exists():
            for line in run_tool("losetup", "-n", "-O", "NAME", "-j", self.image).split():
                run_tool("losetup", "-d", line)
            self.image.unlink()
        if self.mount.exists():
            self.mount.rmdir()
        self.loop = None


def storage_for(mode, folder, bin_folder, file_system):
    if mode == "cut":
        return ForgetfulDisk(folder, bin_folder, file_system)
    if mode == "shutdown":
        return ShutDownImage(folder, bin_folder, file_system)
    return PlainFolder(folder)


def save_image(storage, folder):
    """A file system that did not survive its own power cut, and what the kernel said."""
    image = getattr(storage, "image", None)
    if image is not None and image.exists():
        subprocess.run(["cp", "--sparse=always", image, folder / "image-kept"], check=False,
                       stdin=subprocess.DEVNULL)
    with open(folder / "dmesg", "wb") as out:
        subprocess.run(["dmesg"], check=False, stdin=subprocess.DEVNULL, stdout=out)


def save_spool(storage, where):
    """The spool as it is now, for whoever looks for the cause."""
    shutil.rmtree(where, ignore_errors=True)
    # False, too, where a dead file system answers with EIO.
    if os.path.exists(storage.spool):
        subprocess.run(["cp", "-a", "--sparse=always", storage.spool, where], check=False,
                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
