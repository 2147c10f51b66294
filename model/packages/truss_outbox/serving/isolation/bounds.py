"""What a worker takes away from itself before it opens anything. Where the system lacks a means, as
macOS lacks most, the others remain; the server's clock holds everywhere."""

import ctypes
import os
import platform
import resource
import signal
import struct
import sys

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
_ALLOWED, _REFUSED = 0x7FFF0000, 0x00050000 | 13  # refused with EACCES
_SYSTEMS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""By the machine: its number in linux/audit.h, and that of the call `socket`."""
_IO_URING_SETUP = 425  # which would open sockets by another way
_FOREIGN_CALLS = 0x40000000  # x86_64's other numbering of the same calls


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def confine(parent: int) -> None:
    """No core dump, no network, no life after the process `parent`."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A server that is told to stop finishes its work first.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _refuse_sockets(libc)
    if os.getppid() != parent:
        os._exit(0)


def address_space() -> int:
    """Bytes that are this process's now; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def limit(*, memory_bytes: int, file_bytes: int) -> None:
    """`memory_bytes` are all of its address space, `file_bytes` those of one file it writes."""
    _lower(resource.RLIMIT_FSIZE, file_bytes)
    if sys.platform == "linux":
        _lower(resource.RLIMIT_AS, memory_bytes)


def _lower(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (soft, hard))


def _refuse_sockets(libc: ctypes.CDLL) -> None:
    if platform.machine() not in _SYSTEMS:
        return
    system, socket = _SYSTEMS[platform.machine()]
    instructions = [
        (_LOAD, 0, 0, 4),
        (_JUMP_IF_EQUAL, 0, 5, system),
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_AT_LEAST, 3, 0, _FOREIGN_CALLS),
        (_JUMP_IF_EQUAL, 2, 0, socket),
        (_JUMP_IF_EQUAL, 1, 0, _IO_URING_SETUP),
        (_RETURN, 0, 0, _ALLOWED),
        (_RETURN, 0, 0, _REFUSED),
    ]
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)
    program = _Program(len(instructions), code)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
