"""The folder of a part, and the one of its sockets, whose paths must be short."""

import os
import shutil
import tempfile
from pathlib import Path

SOCKETS_PREFIX = "brevdue-durability."


def clear_sockets(folder):
    """What a run left that was killed itself: a link in its folder tells where they were."""
    link = folder / "sockets"
    if link.is_symlink():
        target = Path(os.readlink(link))
        if target.name.startswith(SOCKETS_PREFIX):
            shutil.rmtree(target, ignore_errors=True)


def fresh_folders(folder, undo):
    """Makes the folder anew; the one of the sockets, which `undo` removes."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    # The roles run under another account when the run is root's.
    folder.chmod(0o755)
    sockets = Path(tempfile.mkdtemp(prefix=SOCKETS_PREFIX))
    sockets.chmod(0o755)
    (folder / "sockets").symlink_to(sockets)
    undo.callback(shutil.rmtree, sockets, ignore_errors=True)
    return sockets
