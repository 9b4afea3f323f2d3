#!/usr/bin/python3
"""`rxp-worker exec` through an HTTP proxy: what goes through it and what does not, what it is shown, what it may break."""
import base64
import re
import socket
import ssl
import tempfile

from execution import execute
from http_proxy import HttpProxy
from pki import Authority
from stage import DROP, Stage, answer
from tap import equal, holds, rows, run_all, test
from worker import run_command

FOLDER = tempfile.TemporaryDirectory()
AUTHORITY = Authority(FOLDER.name, "authority")
SERVER = AUTHORITY.issue("server", "IP:127.0.0.1,DNS:a.example")
CLIENT = AUTHORITY.issue("client")
ENDED = answer(200, '{"status":"completed"}')
OK = ("succeeded", 200)
NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
CLEAN = {name: None for plain in NAMES for name in (plain, plain.upper())}


def context(asks=ssl.CERT_NONE):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*SERVER)
    made.load_verify_locations(AUTHORITY.certificate)
    made.verify_mode = asks
    return made


def made(url, poll_url=None, **metadata):
    keys = {"http.url": url, **metadata}
    if poll_url:
        keys.update({"http.poll_url_template": poll_url, "http.poll_status_path": "status",
                     "http.poll_terminal_states": "completed", "http.poll_interval_seconds": "0.01"})
    return {"invocation_id": "a", "runtime_name": "proxied", "runtime_kind": "http_async" if poll_url else "http",
            "working_directory": "/", "command": ["none"], "timeout_seconds": 30, "metadata": keys}


def run(url, *arguments, poll_url=None, environment=None):
    return execute(made(url, poll_url), "--kickoff-max-retries", "0", "--ca-file", AUTHORITY.certificate, *arguments,
                   environment={**CLEAN, **(environment or {})})


def far(stage, path="/a"):
    """The stage's URL by a name that only the proxy knows."""
    return stage.url(path).replace("127.0.0.1", "a.example")


def staged(*answers, tls=False, **keywords):
    stage = Stage(context=context(**keywords) if tls else None)
    stage.on("/a", *(answers or [ENDED]))
    return stage


# ---- what goes through it ----

@test("http goes to the proxy whole, https through a tunnel; the backend sees no header of the proxy's")
def _():
    plain, secure, proxy = staged(), staged(tls=True), HttpProxy()
    run(far(plain), "--proxy", proxy.url).is_one(*OK)
    run(far(secure), "--proxy", proxy.url).is_one(*OK)
    equal(proxy.asked, [f"POST {far(plain)}", f"CONNECT a.example:{secure.port}"])
    for head in proxy.heads:
        equal(head.count("\r\nUser-Agent: rxp-worker/"), 1, "of the program to the proxy, too")
    for stage in (plain, secure):
        request, = stage.requests("/a")
        equal(request.header("User-Agent").partition("/")[0], "rxp-worker")
        equal(request.header("Proxy-Authorization"), None)
        equal(request.target, "/a")
    equal("Idempotency-Key" in proxy.heads[1], False, "the backend's headers in CONNECT")


@test("names are the proxy's to look up")
def _():
    stage, secure = staged(), staged(tls=True)
    proxy = HttpProxy()
    run(far(stage), "--proxy", proxy.url).is_one(*OK)
    equal(stage.requests("/a")[0].header("Host"), f"a.example:{stage.port}")
    run(far(secure), "--proxy", proxy.url).is_one(*OK)
    equal((proxy.asked[1], len(secure.requests("/a"))), (f"CONNECT a.example:{secure.port}", 1))


@test("a proxy may speak TLS itself, and must be trusted then")
def _():
    stage, secure, proxy = staged(), staged(tls=True), HttpProxy(context=context())
    run(far(stage), "--proxy", proxy.url).is_one(*OK)
    run(far(secure), "--proxy", proxy.url).is_one(*OK)
    equal(len(proxy.asked), 2)
    strange = Authority(FOLDER.name, "strange")
    run(far(stage), "--proxy", proxy.url, "--ca-file", strange.certificate).is_one("failed", None, "kickoff_network")
    equal(len(proxy.asked), 2)


@test("polls and redirects go through it as well, each under the egress policy")
def _():
    stage, other = staged(answer(202)), Stage()
    stage.on("/poll", answer(302, Location=far(other, "/end")))
    other.on("/end", ENDED)
    proxy = HttpProxy()
    run(far(stage), "--proxy", proxy.url, poll_url=far(stage, "/poll")).is_one("succeeded", 0)
    equal(proxy.asked, [f"POST {far(stage)}", f"GET {far(stage, '/poll')}", f"GET {far(other, '/end')}"])
    done = run(far(stage), "--proxy", proxy.url, "--egress-deny", f"a.example:{other.port}", poll_url=far(stage, "/poll"))
    done.is_one("failed", None, "egress_denied")


@test("client certificates reach the backend through the tunnel, and are not shown to the proxy")
def _():
    stage = staged(tls=True, asks=ssl.CERT_REQUIRED)
    proxy = HttpProxy(context=context(ssl.CERT_OPTIONAL))
    own = f"a.example:{stage.port}={CLIENT[0]}:{CLIENT[1]}"
    run(far(stage), "--proxy", proxy.url, "--client-certificates", own).is_one(*OK)
    equal(stage.clients(), ["client"])


# ---- the password ----

@rows("user and password go to the proxy alone, and nobody prints them: {0}", [
    ("http", False),
    ("https", True),
])
def _(_, tls):
    stage, proxy = staged(tls=tls), HttpProxy()
    url = f"http://jane:hu%40sh@{proxy.place}"
    done = run(far(stage), "--proxy", url)
    done.is_one(*OK)
    word = base64.b64encode(b"jane:hu@sh").decode()
    holds(proxy.heads[0], f"Proxy-Authorization: Basic {word}")
    request, = stage.requests("/a")
    equal(request.header("Proxy-Authorization"), word and None)
    refusing = HttpProxy(answers={f"CONNECT a.example:{stage.port}": b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n",
                                  f"POST {far(stage)}": b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n"})
    refused = run(far(stage), "--proxy", url.replace(proxy.place, refusing.place))
    for text in (done.stdout, done.stderr, refused.stdout, refused.stderr):
        equal("hu%40sh" in text or "hu@sh" in text or word in text, False, text)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    away = run(far(stage), "--proxy", f"http://jane:hush@127.0.0.1:{port}")
    away.is_one("failed", None, "kickoff_network")
    equal("hush" in away.stdout + away.stderr, False, away.stdout)


@test("config hides it, and a wrong one is refused without being shown")
def _():
    shown = run_command("config", environment={**CLEAN, "RXP_PROXY": "http://jane:hush@proxy:3128"})
    equal((shown.returncode, "hush" in shown.stdout + shown.stderr), (0, False), shown.stdout)
    for command, arguments in (("exec", []), ("run", ["--bootstrap-servers", "127.0.0.1:1"])):
        done = run_command(command, "--proxy", "socks5://jane:hush@proxy:1080", *arguments, given="{}")
        equal((done.returncode, done.stdout, "hush" in done.stderr), (2, "", False), done.stderr)
        holds(done.stderr, "proxy is no URL of a proxy")


# ---- the environment ----

@test("a proxy that is named is not kept away by no_proxy")
def _():
    stage, proxy = staged(), HttpProxy()
    run(far(stage), "--proxy", proxy.url, environment={"no_proxy": "*", "NO_PROXY": "a.example"}).is_one(*OK)
    equal(len(proxy.asked), 1)


@rows("proxy=environment: {0}", [
    ("http_proxy is for http", "http_proxy", False),
    ("https_proxy is for https", "https_proxy", True),
    ("HTTPS_PROXY too", "HTTPS_PROXY", True),
    ("all_proxy is for both", "all_proxy", True),
])
def _(_, variable, tls):
    stage, proxy = staged(tls=tls), HttpProxy()
    run(far(stage), "--proxy", "environment", environment={variable: proxy.url, "no_proxy": "10.0.0.0/8,b.example"}).is_one(*OK)
    equal((len(proxy.asked), len(stage.requests("/a"))), (1, 1))


@rows("loopback is called past the proxy: {0}", [("127.0.0.1",), ("localhost",)])
def _(host):
    stage, proxy = staged(), HttpProxy()
    url = stage.url("/a").replace("127.0.0.1", host)
    run(url, "--proxy", proxy.url).is_one(*OK)
    run(url, "--proxy", proxy.url, "--egress-deny", "127.0.0.0/8,::1").is_one("rejected", None, "egress_denied")
    equal((proxy.connections, len(stage.requests("/a"))), (0, 1))


# ---- what it may not do ----

@rows("through a proxy too {0} is refused, and the proxy is not asked", [
    ("a literal of a metadata service", "http://169.254.169.254/", [], "metadata"),
    ("another spelling of it", "http://0xa9fea9fe/", [], "metadata"),
    ("a mapped one", "http://[::ffff:169.254.169.254]/", [], "metadata"),
    ("a denied name", "http://b.a.example/", ["--egress-deny", "*.a.example"], "egress-deny"),
    ("a denied address", "http://10.1.1.1/", ["--egress-deny", "10.0.0.0/8"], "egress-deny"),
    ("a name that is not allowed", "http://a.example/", ["--egress-allow", "b.example"], "not in egress-allow"),
    ("a name that only an address could allow", "http://a.example/", ["--egress-allow", "10.0.0.0/8"], "not in egress-allow"),
])
def _(_, url, arguments, sentence):
    proxy = HttpProxy()
    done = run(url, "--proxy", proxy.url, *arguments)
    done.is_one("rejected", None, "egress_denied")
    holds(done.result["error_summary"], sentence)
    equal(proxy.connections, 0)


@test("the proxy itself needs no leave")
def _():
    proxy = HttpProxy()
    run(far(staged()), "--proxy", proxy.url, "--egress-allow", "a.example", "--egress-deny", "127.0.0.0/8").is_one(*OK)


# ---- when it breaks ----

@rows("a tunnel that is refused with {0} means that nothing was sent", [(403,), (407,), (502,), (503,)])
def _(code):
    stage = staged(tls=True)
    proxy = HttpProxy(answers={f"CONNECT a.example:{stage.port}":
                               f"HTTP/1.1 {code} No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n".encode()})
    run(far(stage), "--proxy", proxy.url).is_one(
        "failed", None, "kickoff_network", re.compile(f"kickoff to https://.*{code}.*"))
    equal(stage.requests("/a"), [])


@test("a proxy that is not there, or not to be found")
def _():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    run("http://a.example/", "--proxy", f"http://127.0.0.1:{port}").is_one("failed", None, "kickoff_network")
    run("http://a.example/", "--proxy", "http://no-proxy.invalid:3128").is_one(
        "failed", None, "kickoff_network", re.compile(".*no-proxy.invalid.*"))


@rows("a kickoff is sent once through it: {0}", [
    ("a proxy that closes a fresh connection", False),
    ("a proxy that closes one that was used before", True),
])
def _(_, is_used):
    backend = Stage()
    backend.on("/first", answer(307, Location=far(backend)))
    dropped = f"POST {far(backend)}"
    proxy = HttpProxy(answers={dropped: DROP})
    run(far(backend, "/first" if is_used else "/a"), "--proxy", proxy.url).is_one("failed", None, "kickoff_network")
    equal((proxy.asked.count(dropped), len(backend.requests("/a"))), (1, 0))


@test("a backend behind a tunnel that closes gets the kickoff once")
def _():
    stage, proxy = staged(DROP, tls=True), HttpProxy()
    run(far(stage), "--proxy", proxy.url).is_one("failed", None, "kickoff_network")
    equal(len(stage.requests("/a")), 1)


if __name__ == "__main__":
    run_all()
