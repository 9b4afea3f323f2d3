"""http_proxy: an HTTP proxy of loopback that keeps what it was asked for.

    proxy = HttpProxy()
    ... --proxy proxy.url ...
    proxy.asked                 # ["CONNECT 127.0.0.1:443", "GET http://a.example/x"], and
    proxy.heads                 # their heads, as they came

`answers` says what it answers to a line of its own instead: {"CONNECT a:443": b"HTTP/1.1 403 No\\r\\n\\r\\n"}; DROP closes.
It knows the names that end in .example: they are all on loopback.
"""
import re
import socket
import threading
import urllib.parse

from stage import DROP


class HttpProxy:
    def __init__(self, answers=None, context=None):
        self.answers, self.context = answers or {}, context
        self.asked, self.heads = [], []
        self.connections = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self.place = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if context else 'http'}://{self.place}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self._listener.accept()
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, client):
        try:
            if self.context:
                client = self.context.wrap_socket(client, server_side=True)
            with client:
                while self._pass_one(client):
                    pass
        except OSError:
            client.close()

    @staticmethod
    def _go(host, port):
        return socket.create_connection(("127.0.0.1" if host.endswith(".example") else host, port), timeout=20)

    def _pass_one(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(1)
            if not piece:
                return False
            head += piece
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        with self._lock:
            self.asked.append(f"{method} {target}")
            self.heads.append(head.decode())
        answer = self.answers.get(f"{method} {target}")
        if answer is DROP:
            return False
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        body = b""
        while method != "CONNECT" and length and len(body) < int(length[1]):
            body += client.recv(65536)
        if answer:
            client.sendall(answer)
            return True
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            self._tunnel(client, self._go(host, int(port)))
            return False
        head = re.sub(rb"(?i)\r\nproxy-[^\r]*", b"", head)
        url = urllib.parse.urlsplit(target)
        self._forward(client, self._go(url.hostname, url.port or 80), head.replace(
            target.encode(), (url.path + ("?" + url.query if url.query else "")).encode() or b"/", 1) + body)
        return True

    @staticmethod
    def _forward(client, server, request):
        """One answer with a Content-Length, as the stage gives it."""
        with server, server.makefile("rb") as stream:
            server.sendall(request)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = stream.readline()
                if not line:
                    raise OSError("no answer")
                head += line
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            client.sendall(head + stream.read(int(length[1]) if length else 0))

    @staticmethod
    def _tunnel(client, server):
        client.sendall(b"HTTP/1.1 200 Established\r\nVia: x\r\nRetry-After: 77\r\n\r\n")

        def pump(source, sink):
            try:
                while True:
                    piece = source.recv(65536)
                    if not piece:
                        break
                    sink.sendall(piece)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                sink.close()
        with server:
            threading.Thread(target=pump, args=(server, client), daemon=True).start()
            pump(client, server)
