"""Programs that a test starts: found by the environment, ended with the test."""

import ctypes
import os
import signal
import subprocess
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def program(name):
    """A program of the build that is tested: in BREVDUE_BIN."""
    folder = os.environ.get("BREVDUE_BIN")
    if not folder:
        raise SystemExit("BREVDUE_BIN must name the folder with the programs, such as build/release/bin")
    path = Path(folder) / name
    if not path.exists():
        raise SystemExit(f"{path} is missing: build it first")
    return path


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command, **options):
    """A process that does not outlive the test, even if that is killed."""
    return subprocess.Popen([str(word) for word in command], preexec_fn=_die_with_parent, **options)


def run(command, **options):
    """Runs to the end, with its output as text."""
    return subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60, **options)


def end(process):
    if process.poll() is None:
        process.kill()
    process.wait()


def children(pid):
    """Pids of the running children, by what they were started as: the words of the command line."""
    found = {}
    try:
        pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return found
    for child in pids:
        try:
            words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if words[0]:
            found[int(child)] = [word.decode() for word in words if word]
    return found


def alive(pid):
    """Neither gone nor a zombie. While a thread is left the process has its files and locks."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return state != "Z" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def memory(pid):
    """Peak resident memory in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no VmHWM of {pid}")
