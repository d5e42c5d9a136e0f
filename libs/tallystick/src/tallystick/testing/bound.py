"""A program that becomes another one, bound to the process that started it.

python bound.py SIGNAL PARENT UID GID COMMAND...: take on the user UID and group GID unless UID is
0, have the kernel send SIGNAL when the thread that started us ends, then exec COMMAND under our
process id. It imports nothing of ours: it is run by its path, and quickly.
"""

import ctypes
import os
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG; a change of user would clear it, an exec does not


def main(number: int, parent: int, uid: int, gid: int, command: list[str]) -> None:
    """Become the command; exits if the parent is gone already."""
    if uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started us is gone")
    os.execvp(command[0], command)  # noqa: S606 - it is what we are for


if __name__ == "__main__":
    _number, _parent, _uid, _gid = map(int, sys.argv[1:5])
    main(_number, _parent, _uid, _gid, sys.argv[5:])
