"""Small file systems for spools; they go with the test, which is skipped where they cannot be made."""

import os
import shutil
import subprocess

MIB = 1 << 20


def _folder(case):
    case.need_root()
    directory = case.directory()
    path = directory / "disk"
    path.mkdir()
    return directory, path


def _mount(case, path, *options):
    done = subprocess.run(["mount", *options, path], capture_output=True, text=True)
    if done.returncode != 0:
        case.skipTest(f"cannot mount: {done.stderr.strip()}")
    case.addCleanup(subprocess.run, ["umount", "-l", path], check=False)


def small_tmpfs(case, megabytes):
    """(the test's directory, where the file system is mounted in it)"""
    directory, path = _folder(case)
    _mount(case, path, "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "brevdue-test")
    return directory, path


def small_ext4(case, megabytes):
    if not shutil.which("mkfs.ext4"):
        case.skipTest("needs mkfs.ext4")
    directory, path = _folder(case)
    image = directory / "disk.image"
    image.write_bytes(b"")
    os.truncate(image, megabytes * MIB)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True, capture_output=True)
    _mount(case, path, "-o", "loop", image)
    return directory, path


def space_left(path):
    """Bytes."""
    space = os.statvfs(path)
    return space.f_bavail * space.f_frsize
