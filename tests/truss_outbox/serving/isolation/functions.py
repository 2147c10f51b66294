"""Functions of a plain Truss that are run isolated, good and bad."""

import ctypes
import os
import pickle
import resource
import socket
import time
from pathlib import Path

from truss_outbox import InvalidInputError


def add(one, other):
    return one + other


def kinds():
    return {"none": None, "list": [1, 2.5, "text"], "tuple": (True, b"bytes")}


def process():
    return os.getpid()


def numbers(count):
    yield from range(count)


def pixels(size):
    return "grey", pickle.PickleBuffer(bytearray(b"\7") * size)


def refuse():
    raise InvalidInputError("picture.base64", "has no colours; send one that has")


def refuse_the_second():
    yield 1
    refuse()


def fail():
    raise EOFError("the author's own")


def give_an_object():
    return Path("/etc")


def read_for_ever():
    while True:
        pass


def one_then_for_ever(left_behind=None):
    yield os.getpid()
    read_for_ever()


def touch_when_closed(path):
    try:
        yield from range(10)
    finally:
        Path(path).touch()


def abort():
    os.abort()


def follow_a_null_pointer():
    ctypes.string_at(0)


def leave():
    os._exit(0)


def take(count):
    return len(bytearray(count))


def write(path, count):
    Path(path).write_bytes(bytes(count))


def reach(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError as error:
        return type(error).__name__
    return "reached"


def surroundings():
    return dict(os.environ), resource.getrlimit(resource.RLIMIT_CORE)


def open_files():
    links = [Path(f"/proc/self/fd/{number}") for number in range(100)]
    return [str(link.readlink()) for link in links if link.is_symlink()]


def take_over():
    """What code of the input's could do: say something that the server would run."""

    class Harm:
        def __reduce__(self):
            return os.system, ("exit 1",)

    return Harm()


def wait(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(600)
