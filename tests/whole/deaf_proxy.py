"""deaf_proxy: stands between clients and a Kafka broker, and loses requests of a kind, or their answers.

    with DeafProxy() as proxy:
        broker = Broker({"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"})
        proxy.serve(broker.port)
        proxy.lose(END_TXN, DeafProxy.ANSWER)     # and all that follows on its connection
        proxy.lost.wait(20)
        proxy.lose_nothing()
"""
import contextlib
import socket
import struct
import threading

END_TXN = 26  # Kafka's number of the request


class DeafProxy:
    REQUEST, ANSWER = "request", "answer"

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.lock = threading.Lock()
        self.wanted = None  # (number, what)
        self.lost = threading.Event()
        self.open = []

    def serve(self, target):
        threading.Thread(target=self._accept, args=(target,), daemon=True).start()

    def lose(self, number, what):
        with self.lock:
            self.lost.clear()
            self.wanted = (number, what)

    def lose_nothing(self):
        """New connections are good ones from now on."""
        with self.lock:
            self.wanted = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in [self.socket, *self.open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, target):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", target), 10)
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                self.open += [client, server]
                is_deaf = threading.Event()
                threading.Thread(target=self._requests, args=(client, server, is_deaf), daemon=True).start()
                threading.Thread(target=self._answers, args=(server, client, is_deaf), daemon=True).start()

    def _take(self, number):
        """What is to be lost of this request."""
        with self.lock:
            return self.wanted[1] if self.wanted is not None and self.wanted[0] == number else None

    def _requests(self, client, server, is_deaf):
        with contextlib.suppress(OSError), client.makefile("rb") as stream:
            while len(head := stream.read(6)) == 6:
                size, number = struct.unpack(">ih", head)
                rest = stream.read(size - 2)
                what = self._take(number)
                if what is not None:
                    is_deaf.set()
                    self.lost.set()
                if not is_deaf.is_set() or what == DeafProxy.ANSWER:
                    server.sendall(head + rest)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _answers(server, client, is_deaf):
        with contextlib.suppress(OSError):
            while piece := server.recv(1 << 16):
                if not is_deaf.is_set():
                    client.sendall(piece)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
