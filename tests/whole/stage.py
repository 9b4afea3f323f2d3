"""stage: an HTTP server that a test scripts to the byte, and whose requests it reads as they came.

    stage = Stage()
    stage.on("/a", answer(200, '{"status":"running"}'), answer(200, '{"status":"completed"}'))
    ... stage.url("/a") is asked ...
    stage.requests("/a")[0].method

The answers of a path are given in turn, the last one again and again. One is bytes, sent as they stand; DROP, which
closes the connection; STALL, which leaves it without an answer; Trickle, a byte at a time; or a function of the request
that returns one of these.
"""
import collections
import email.message
import http
import socket
import ssl
import threading
import time

DROP = object()
STALL = object()


def answer(code, body="", close=False, **headers):
    """The bytes of an answer with a Content-Length; _ in a header's name stands for -."""
    content = body if isinstance(body, bytes) else body.encode()
    try:
        reason = http.HTTPStatus(code).phrase
    except ValueError:
        reason = "Code"
    lines = [f"HTTP/1.1 {code} {reason}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    if code not in (204, 304):
        lines.append(f"Content-Length: {len(content)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + content


class Trickle:
    """An answer of which the first bytes come at once, and then one each interval."""

    def __init__(self, whole, at_once, interval=0.1):
        self.whole, self.at_once, self.interval = whole, at_once, interval


class Request(collections.namedtuple("Request", "connection line headers body at")):
    """`line` and `body` are as they came; `headers` are (name, value) pairs; `at` is the monotonic time."""

    @property
    def method(self):
        return self.line.split(" ")[0]

    @property
    def target(self):
        return self.line.split(" ")[1]

    def header(self, name):
        """The value of the only header of that name; None where there is none."""
        values = [value for other, value in self.headers if other.lower() == name.lower()]
        if len(values) > 1:
            raise AssertionError(f"{name} stands {len(values)} times in {self}")
        return values[0] if values else None


class Stage:
    def __init__(self, certificate=None, key=None, context=None, host="127.0.0.1"):
        self._script = {}
        self._requests = collections.defaultdict(list)
        self._sent_at = collections.defaultdict(list)
        self._lock = threading.Lock()
        self._connections = 0
        self._clients = []
        self._tls = context
        if certificate:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate, key)
        self._listener = socket.create_server((host, 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.origin = f"{'https' if self._tls else 'http'}://{host}:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path):
        return self.origin + path

    def on(self, path, *answers):
        """Before the first request of that path (without its query)."""
        with self._lock:
            self._script[path] = collections.deque(answers)

    def requests(self, path):
        with self._lock:
            return list(self._requests[path])

    def sent_at(self, path):
        """When each answer had been sent."""
        with self._lock:
            return list(self._sent_at[path])

    def clients(self):
        """Of each connection with TLS the name in the client's certificate; None where it showed none."""
        with self._lock:
            return list(self._clients)

    def paths(self):
        with self._lock:
            return [path for path, requests in self._requests.items() if requests]

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            self._connections += 1
            threading.Thread(target=self._serve, args=(connection, self._connections), daemon=True).start()

    def _serve(self, connection, number):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                shown = dict(pair for part in (connection.getpeercert() or {}).get("subject", ()) for pair in part)
                with self._lock:
                    self._clients.append(shown.get("commonName"))
            with connection, connection.makefile("rb") as stream:
                while True:
                    request = self._read(stream, number)
                    if request is None or not self._answer(connection, request):
                        return
        except OSError:  # the client went away, or speaks no TLS
            connection.close()

    @staticmethod
    def _read(stream, number):
        line = stream.readline().decode("latin-1").rstrip("\r\n")
        if not line:
            return None
        at = time.monotonic()
        headers = []
        while True:
            header = stream.readline().decode("latin-1")
            if header in ("\r\n", ""):
                break
            name, _, value = header.rstrip("\r\n").partition(":")
            headers.append((name, value.strip(" ")))
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        return Request(number, line, headers, stream.read(length), at)

    def _answer(self, connection, request):
        """True where the connection goes on."""
        path = request.target.partition("?")[0]
        with self._lock:
            self._requests[path].append(request)
            script = self._script.get(path, collections.deque([answer(404, f"nothing is played at {path}")]))
            what = script.popleft() if len(script) > 1 else script[0]
        if callable(what):
            what = what(request)
        if what is DROP:
            return False
        if what is STALL:
            connection.recv(1)  # until the client leaves
            return False
        if isinstance(what, Trickle):
            connection.sendall(what.whole[:what.at_once])
            for i in range(what.at_once, len(what.whole)):
                time.sleep(what.interval)
                connection.sendall(what.whole[i:i + 1])
        else:
            connection.sendall(what)
        with self._lock:
            self._sent_at[path].append(time.monotonic())
        whole = what.whole if isinstance(what, Trickle) else what
        return b"\r\nConnection: close\r\n" not in whole


def header_values(lines, name):
    """Of headers as lines "Name: value": the values of that name."""
    message = email.message.Message()
    for line in lines:
        key, _, value = line.partition(":")
        message.add_header(key, value.strip(" "))
    return message.get_all(name) or []
