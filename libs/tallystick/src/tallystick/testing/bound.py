"""A program that becomes another one and ends with the process that started it.

python bound.py SIGNAL PARENT UID GID COMMAND...: take on the user UID and group GID unless UID is
0, keeping root's right to pass through any folder, have the kernel send SIGNAL when the thread that
started this one ends, then exec COMMAND under the same process id. It imports nothing of the
library: it is run by its path and must start quickly.
"""

import ctypes
import os
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG; a change of user would clear it, an exec does not
_KEEP_CAPABILITIES = 8  # PR_SET_KEEPCAPS
_AMBIENT, _RAISE = 47, 2  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE
_IN_BOUND = 23  # PR_CAPBSET_READ
_PASSAGES = (2, 1)  # CAP_DAC_READ_SEARCH; in most containers only CAP_DAC_OVERRIDE
_VERSION_3 = 0x20080522  # of capset's header
_SET_SECURE_BITS = 28  # PR_SET_SECUREBITS
_CHANGE_BITS = 8  # CAP_SETPCAP, the right to set them
_CHECK_AS_WE_ARE = 1 << 2  # SECBIT_NO_SETUID_FIXUP: access() heeds capabilities, as open() does


def main(number: int, parent: int, uid: int, gid: int, command: list[str]) -> None:
    """Become the command; exit if the parent is gone already."""
    if uid:
        _become(uid, gid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, number, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that started us is gone")
    os.execvp(command[0], command)  # noqa: S606 - the purpose of this program


def _become(uid: int, gid: int) -> None:
    """Take on a user that may pass through the folders of others; no folder's mode is changed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_KEEP_CAPABILITIES, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if sys.platform == "linux":
        _keep_passage(ctypes.CDLL(None))


def _keep_passage(linux: ctypes.CDLL) -> None:
    """Keep one capability of root, also for the program that follows."""
    for capability in _PASSAGES:
        if linux.prctl(_IN_BOUND, capability, 0, 0, 0) == 1:
            if _keep_only(linux, capability, _CHANGE_BITS):  # PostgreSQL asks access() for itself
                linux.prctl(_SET_SECURE_BITS, _CHECK_AS_WE_ARE, 0, 0, 0)
            _keep_only(linux, capability)
            linux.prctl(_AMBIENT, _RAISE, capability, 0, 0)
            return


def _keep_only(linux: ctypes.CDLL, inherited: int, *others: int) -> bool:
    """Keep these capabilities, the first also for later programs; return whether we had them."""
    header = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    kept = sum(1 << capability for capability in (inherited, *others))
    data = (ctypes.c_uint32 * 6)(kept, kept, 1 << inherited)  # effective, permitted, inheritable
    return bool(linux.capset(header, data) == 0)


if __name__ == "__main__":
    _number, _parent, _uid, _gid = map(int, sys.argv[1:5])
    main(_number, _parent, _uid, _gid, sys.argv[5:])
