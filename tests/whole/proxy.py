"""proxy: stands before a TCP port of loopback, and can cut it off.

    proxy = Proxy(9092)
    proxy.port                      # where to connect instead
    proxy.cut(Proxy.SILENT)         # nothing passes, and nobody is told, as behind a firewall that drops
    proxy.cut(Proxy.REFUSING)       # connections are reset and new ones refused, as behind one that rejects
    proxy.mend()                    # what was kept back passes now
"""
import asyncio
import contextlib
import socket
import struct
import threading

PIECE_BYTES = 1 << 16


class Proxy:
    OPEN, SILENT, REFUSING = "open", "silent", "refusing"

    def __init__(self, target):
        self.target = target
        self.how = Proxy.OPEN
        self.loop = asyncio.new_event_loop()
        self.writers = set()
        self.server = None
        # Bound for good, so that nobody else gets the port while connections are refused.
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self._call(self._open())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def cut(self, how):
        self._call(self._cut(how))

    def mend(self):
        self._call(self._mend())

    def end(self):
        if self.thread.is_alive():
            self._call(self._cut(Proxy.REFUSING))
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
            self.socket.close()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def _call(self, coroutine):
        asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    async def _open(self):
        self.passing = asyncio.Event()
        self.passing.set()
        self.server = await asyncio.start_server(self._serve, sock=self.socket.dup(), limit=PIECE_BYTES)

    async def _cut(self, how):
        self.how = how
        if how == Proxy.SILENT:
            self.passing.clear()  # the kernel still takes connections and bytes; nobody reads them
            return
        for writer in list(self.writers):
            _reset(writer)
        self.passing.set()

    async def _mend(self):
        self.how = Proxy.OPEN
        self.passing.set()

    async def _serve(self, reader, writer):
        if self.how == Proxy.REFUSING:
            _reset(writer)
            return
        await self.passing.wait()
        try:
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self.target, limit=PIECE_BYTES)
        except OSError:
            _reset(writer)
            return
        self.writers |= {writer, other_writer}
        try:
            await asyncio.gather(self._pass(reader, other_writer), self._pass(other_reader, writer))
        finally:
            self.writers -= {writer, other_writer}
            for each in (writer, other_writer):
                each.close()

    async def _pass(self, reader, writer):
        with contextlib.suppress(OSError):
            while True:
                piece = await reader.read(PIECE_BYTES)
                await self.passing.wait()
                if not piece:
                    break
                writer.write(piece)
                await writer.drain()
        with contextlib.suppress(OSError, RuntimeError):
            writer.close()  # its other direction ends with it


def _reset(writer):
    """Ends the connection with RST."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
