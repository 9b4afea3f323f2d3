#!/usr/bin/python3
"""hostile_server: a backend that means harm. It listens on every address of the machine (or of the network namespace that it is in)
and counts the connections that came to another one than 127.0.0.1: where those addresses are denied to a worker, there must
be none.

    hostile_server.py PORT [PORT…]

/k/KIND/N answers a kickoff and /p/KIND/ID a poll, in KIND's manner; /stats says what was seen. N of /k/plain/N-P is the number of a
run that wants P polls.
"""
import asyncio
import json
import socket
import sys
import urllib.parse
import zlib

DEEP = b'{"id":"x","status":"running","deep":' + b"[" * 100 + b"]" * 100 + b"}"
BOMB = zlib.compressobj(9, zlib.DEFLATED, 31)
BOMB = BOMB.compress(b'{"id":"' + b"\0" * (32 << 20)) + BOMB.flush()
# What is put beside good answers: none of it may do anything.
JUNK = [b"Set-Cookie: a=b; Domain=.\r\n", b"Retry-After: 99999999999999999999\r\n"[:0], b"Refresh: 0; url=http://169.254.169.254/\r\n",
        b"Link: <http://169.254.169.254/>; rel=preload\r\n", b"Alt-Svc: h2=\"169.254.169.254:80\"\r\n", b"X: \xff\xfe\x01\r\n",
        b"Retry-After: -1\r\n", b"Retry-After: soon\r\n", b"Upgrade: h2c\r\n", b"Content-Type: \r\n"]
IDS = {"dots": "..", "dot": ".", "empty": "", "up": "../../admin", "lines": "a\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
       "long": "x" * 10240, "query": "a b?c#d&e=f", "url": "http://169.254.169.254/", "encoded": "%2e%2e%2f", "back": "..\\..\\x",
       "longest": "\u00fc" * 256}

stats = {"requests": 0, "denied": [], "evil": [], "denied_count": 0}
left = {}  # polls that a run still wants


def answer(code, body=b"", *headers):
    return (b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n" % (code, len(body))) + b"".join(headers) + b"\r\n" + body


def pending(number):
    return answer(200, b'{"id":1,"status":"running","n":"' + b"y" * (number % 7 * 500) + b'"}', JUNK[number % len(JUNK)])


ENDED = answer(200, b'{"status":"completed"}')
STARTED = answer(202, b'{"id":"r","status":"started"}')
CHUNKED = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"


class Connection(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        self.rest = b""
        self.open = True
        self.writable = asyncio.Event()
        self.writable.set()
        name = transport.get_extra_info("sockname")[0]
        if name not in ("127.0.0.1", "::ffff:127.0.0.1"):
            stats["denied_count"] += 1
            stats["denied"] = [*stats["denied"], name][-20:]

    def connection_lost(self, _):
        self.open = False
        self.writable.set()

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    def data_received(self, data):
        self.rest += data
        while True:
            head, found, rest = self.rest.partition(b"\r\n\r\n")
            if not found:
                return
            lower = head.lower()
            at = lower.find(b"\r\ncontent-length:")
            bytes_ = int(lower[at + 17:].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(rest) < bytes_:
                return
            self.rest = rest[bytes_:]
            self.request(head.split(b"\r\n", 1)[0].split(b" ")[1].decode(errors="replace"), lower)

    def request(self, path, lower):
        stats["requests"] += 1
        words = path.split("?", 1)[0].split("/")
        if path == "/stats":
            self.transport.write(answer(200, json.dumps(stats).encode()))
            return
        if b"\r\nx-evil" in lower or len(words) != 4 or words[1] not in ("k", "p"):
            stats["evil"] = [*stats["evil"], path[:200]][-20:]
            self.transport.write(answer(500))
            return
        words[3] = words[3] + ("?" + path.split("?", 1)[1] if "?" in path else "")
        (self.kickoff if words[1] == "k" else self.poll)(words[2], words[3])

    def kickoff(self, kind, number):
        if kind == "plain":
            number, polls = number.split("-")
            left[number] = int(polls)
            body = b'{"id":"%s","status":"started"}' % number.encode()
            self.transport.write(answer(202, body, JUNK[int(number) % len(JUNK)]))
        elif kind.startswith("id-"):
            self.transport.write(answer(202, json.dumps({"id": IDS[kind[3:]]}).encode()))
        elif kind.startswith("poll-"):
            self.transport.write(STARTED)
        elif kind.startswith("to-"):
            self.transport.write(answer(307, b"", b"Location: " + urllib.parse.unquote_to_bytes(number) + b"\r\n"))
        elif kind.startswith("named-"):
            self.transport.write(answer(202, b"", b"Location: " + urllib.parse.unquote_to_bytes(number) + b"\r\n"))
        else:
            self.misbehave(kind)

    def poll(self, kind, id_):
        if kind == "plain":
            left[id_] = left.get(id_, 0) - 1
            if left[id_] > 0:
                self.transport.write(pending(left[id_]))
            else:
                del left[id_]
                self.transport.write(ENDED)
        elif kind.startswith("id-"):
            # One segment, and it is the id.
            if urllib.parse.unquote(id_) != IDS[kind[3:]]:
                stats["evil"] = [*stats["evil"], f"{kind}: {id_[:100]}"][-20:]
            self.transport.write(ENDED)
        elif kind.startswith("poll-to-"):
            self.transport.write(answer(302, b"", b"Location: http://169.254.169.254/\r\n"))
        else:
            self.misbehave(kind.removeprefix("poll-"))

    def misbehave(self, kind):
        if kind == "gzip":
            self.transport.write(answer(200, BOMB, b"Content-Encoding: gzip\r\n"))
        elif kind == "deep":
            self.transport.write(answer(200, DEEP))
        elif kind == "nul":
            self.transport.write(answer(200, b'{"id":"a\\u0000b","status":"x"}'))
        elif kind == "length":
            self.transport.write(b"HTTP/1.1 200 X\r\nContent-Length: -1\r\n\r\n")
            self.transport.close()
        elif kind == "garbage":
            self.transport.write(b"\0\1\2 what?\r\n\r\n")
            self.transport.close()
        elif kind == "chunk":
            self.transport.write(CHUNKED + b"ffffffffffffffffff\r\n")
            self.transport.close()
        elif kind == "continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 200 + STARTED)
        elif kind == "body":
            self.spawn(self.flood(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"))
        elif kind == "headers":
            self.spawn(self.flood(b"HTTP/1.1 200 X\r\n", b"X-Y: " + b"z" * 4000 + b"\r\n"))
        elif kind == "drip":
            self.spawn(self.flood(b"HTTP/1.1 200 X\r\nContent-Length: 1000000\r\n\r\n", b" ", 1))
        elif kind == "drip-headers":
            self.spawn(self.flood(b"HTTP/1.1 200 X\r\nX: ", b"y", 1))
        else:
            self.transport.write(answer(404))

    def spawn(self, task):
        self.task = asyncio.get_running_loop().create_task(task)

    async def flood(self, first, again, seconds=0):
        self.transport.write(first)
        while self.open:
            await asyncio.sleep(seconds)
            await self.writable.wait()
            if self.open:
                self.transport.write(again)


async def main():
    loop = asyncio.get_running_loop()
    for port in map(int, sys.argv[1:]):
        both = socket.socket(socket.AF_INET6)
        both.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        both.bind(("::", port))
        await loop.create_server(Connection, sock=both, backlog=4096)
    print("hostile", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
