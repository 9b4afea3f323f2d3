"""secluded: a test program in a network of its own, whose loopback has any address that it likes, and with a DNS server of its own.

    if __name__ == "__main__":
        seclude()                                    # starts the program again in there; all tests are skipped where that
        run_all()                                    # is not allowed

    with Names({"a.test": [["10.1.2.3"], ["169.254.169.254"]]}):   # in there: the addresses of each look-up in turn, the last
        ...                                                        # ones again and again
"""
import ctypes
import fcntl
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading

MARK = "RXP_TEST_SECLUDED"
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP, MS_BIND = 0x8913, 0x8914, 0x8916, 1, 4096


def seclude():
    """Returns in the network of its own. False where there is none to be had."""
    if os.environ.get(MARK):
        _bring_up()
        return True
    mode = ["unshare", "--user", "--map-root-user", "--net", "--mount"]
    try:
        allowed = subprocess.run([*mode, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        allowed = False
    if not allowed:
        return False
    os.execvpe(mode[0], [*mode, sys.executable, *sys.argv], {**os.environ, MARK: "yes"})


def _bring_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0)))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))
    path = pathlib.Path(tempfile.mkdtemp(), "resolv.conf")
    path.write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:2\n")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(os.fsencode(path), b"/etc/resolv.conf", None, MS_BIND, None) != 0:
        raise OSError(ctypes.get_errno(), "/etc/resolv.conf")
    path.unlink()  # the mount holds it
    path.parent.rmdir()


_aliases = iter(range(1, 1000))


def add_address(text):
    """From now on loopback has this IPv4 address, too."""
    request = struct.pack("16sHH4s8x", b"lo:%d" % next(_aliases), socket.AF_INET, 0, socket.inet_aton(text))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFADDR, request)
    return text


class Names:
    """A DNS server. `looked_up` has the names that were asked for (A), in order."""

    def __init__(self, names):
        self.names = {name: list(lists) for name, lists in names.items()}
        self.looked_up = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.sendto(b"", ("127.0.0.1", 53))
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while True:
            query, peer = self._socket.recvfrom(4096)
            if not query:
                return
            self._socket.sendto(self._answer(query), peer)

    def _answer(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack("!H", query[at + 1:at + 3])[0]
        question = query[12:at + 5]
        name = ".".join(labels).lower()
        addresses, code = [], 3 if name not in self.names else 0
        if kind == 1 and code == 0:
            self.looked_up.append(name)
            lists = self.names[name]
            addresses = lists.pop(0) if len(lists) > 1 else lists[0]
        records = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4) + socket.inet_aton(address) for address in addresses)
        return query[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(addresses), 0, 0) + question + records
