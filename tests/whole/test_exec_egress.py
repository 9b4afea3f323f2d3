#!/usr/bin/python3
"""Where `rxp-worker exec` goes, in a network of its own: public, private and metadata addresses that answer, and names whose
addresses change between two look-ups."""
import re

import execution
from http_proxy import HttpProxy
from secluded import Names, add_address, seclude
from stage import Stage, answer
from tap import equal, rows, run_all, skip, test

PUBLIC, PRIVATE, METADATA = "93.184.216.34", "10.1.2.3", "169.254.169.254"
ENDED = answer(200, '{"status":"completed"}')
HAS_NETWORK = False
STAGES = {}


def stage(address):
    """The one stage of that address; it answers whatever is asked for."""
    if not HAS_NETWORK:
        skip("no network of its own may be made here (unshare)")
    if address not in STAGES:
        STAGES[address] = Stage(host=address if address.startswith("127.") else add_address(address))
    return STAGES[address]


def play(address, path, *answers):
    where = stage(address)
    where.on(path, *answers)
    return where.port


def made(url, poll_url=None):
    keys = {"http.url": url}
    if poll_url:
        keys.update({"http.poll_url_template": poll_url, "http.poll_status_path": "status",
                     "http.poll_terminal_states": "completed", "http.poll_interval_seconds": "0.01"})
    return {"invocation_id": "a", "runtime_name": "egress", "runtime_kind": "http_async" if poll_url else "http",
            "working_directory": "/", "command": ["none"], "timeout_seconds": 30, "metadata": keys}


CLEAN = {name: None for plain in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for name in (plain, plain.upper())}


def execute(given, *arguments, **environment):
    return execution.execute(given, "--kickoff-max-retries", "0", "--poll-max-failures", "0", *arguments,
                             environment={**CLEAN, **environment})


def is_refused(done, sentence):
    done.is_one("rejected", None, "egress_denied", re.compile(f".*{sentence}.*"))


DENY = ["--egress-private", "deny"]
PLACES = [
    ("a public address", PUBLIC, [], None),
    ("a public address with deny", PUBLIC, DENY, None),
    ("a private address", PRIVATE, [], None),
    ("a private address with deny", PRIVATE, DENY, r"private \(RFC 1918\), refused by egress-private=deny; egress-allow=\*,10.1.2.3"),
    ("a private address with deny, its range named", PRIVATE, [*DENY, "--egress-allow", "*,10.1.0.0/16"], None),
    ("a private address with deny, another range named", PRIVATE, [*DENY, "--egress-allow", "*,10.2.0.0/16"], "private"),
    ("a private address with deny, its name named", PRIVATE, [*DENY, "--egress-allow", "*,place.test"], "private"),
    ("loopback", "127.0.0.1", [], None),
    ("loopback with deny", "127.0.0.1", DENY, "loopback, refused by egress-private=deny"),
    ("loopback with deny, named", "127.0.0.1", [*DENY, "--egress-allow", "*,127.0.0.1"], None),
    ("a metadata address", METADATA, [], "metadata address, refused whatever is allowed"),
    ("a metadata address, named", METADATA, ["--egress-allow", "*,169.254.169.254"], "metadata"),
]


@rows("{0} by itself", PLACES)
def _(_, address, arguments, sentence):
    port = play(address, "/literal", ENDED)
    seen = len(stage(address).requests("/literal"))
    done = execute(made(f"http://{address}:{port}/literal"), *arguments)
    if sentence is None:
        done.is_one("succeeded", 200)
    else:
        is_refused(done, sentence)
    equal(len(stage(address).requests("/literal")) - seen, sentence is None)


@rows("{0} by a name", PLACES)
def _(_, address, arguments, sentence):
    port = play(address, "/name", ENDED)
    seen = len(stage(address).requests("/name"))
    with Names({"place.test": [[address]]}) as names:
        done = execute(made(f"http://place.test:{port}/name"), *arguments)
        equal(names.looked_up, ["place.test"])
    if sentence is None:
        done.is_one("succeeded", 200)
    else:
        is_refused(done, sentence)
    equal(len(stage(address).requests("/name")) - seen, sentence is None)


REBOUNDS = [("a metadata service", METADATA, []), ("a private network", PRIVATE, DENY), ("loopback", "127.0.0.1", DENY)]


@rows("a name that points to {0} by the time of the poll", REBOUNDS)
def _(_, address, arguments):
    port = play(PUBLIC, "/kickoff", answer(202))
    poll_port = play(address, "/poll", ENDED)
    with Names({"rebind.test": [[PUBLIC], [address]]}) as names:
        done = execute(made(f"http://rebind.test:{port}/kickoff", f"http://rebind.test:{poll_port}/poll"), *arguments)
        equal(names.looked_up, ["rebind.test"] * 2)
    done.is_one("failed", None, "egress_denied", re.compile(f".*{address}.*"))
    equal(stage(address).requests("/poll"), [])


@rows("a name that points to {0} by the time of the redirect", REBOUNDS)
def _(_, address, arguments):
    target_port = play(address, "/target", ENDED)
    port = play(PUBLIC, "/redirect", answer(307, Location=f"http://rebind.test:{target_port}/target"))
    with Names({"rebind.test": [[PUBLIC], [address]]}) as names:
        done = execute(made(f"http://rebind.test:{port}/redirect"), *arguments)
        equal(names.looked_up, ["rebind.test"] * 2)
    done.is_one("failed", None, "egress_denied", re.compile(f".*{address}.*"))
    equal(stage(address).requests("/target"), [])


@test("of the addresses of a name only those that are allowed are called")
def _():
    port = play(PUBLIC, "/both", ENDED)
    with Names({"both.test": [[METADATA, PUBLIC]]}):
        execute(made(f"http://both.test:{port}/both")).is_one("succeeded", 200)
    equal(len(stage(PUBLIC).requests("/both")), 1)


# ---- with a proxy in the environment ----

@rows("the proxy of the environment is not used: {0}", [
    ("none is asked for", [], "http_proxy", ""),
    ("an empty one is asked for", ["--proxy", ""], "http_proxy", ""),
    ("all_proxy without being asked for", [], "all_proxy", ""),
    ("https_proxy for http", ["--proxy", "environment"], "https_proxy", ""),
    ("HTTP_PROXY, which a request could have set", ["--proxy", "environment"], "HTTP_PROXY", ""),
    ("no_proxy names the address", ["--proxy", "environment"], "http_proxy", "93.184.216.0/24"),
    ("no_proxy names all", ["--proxy", "environment"], "http_proxy", "*"),
])
def _(_, arguments, variable, no_proxy):
    port, proxy = play(PUBLIC, "/proxied", ENDED), HttpProxy()
    execute(made(f"http://{PUBLIC}:{port}/proxied"), *arguments, **{variable: proxy.url, "no_proxy": no_proxy}).is_one(
        "succeeded", 200)
    equal(proxy.connections, 0)


@test("by turns through the proxy and past it, though handles are used again; past it addresses are checked")
def _():
    port, proxy = play(PUBLIC, "/near", answer(202)), HttpProxy()
    play(PUBLIC, "/end", ENDED)
    beyond = Stage()
    beyond.on("/poll", answer(200, '{"status":"running"}', close=True), answer(302, Location=f"http://near.test:{port}/end"))
    url = beyond.url("/poll").replace("127.0.0.1", "far.example")
    settings = {"http_proxy": proxy.url, "no_proxy": "near.test"}
    with Names({"near.test": [[PUBLIC], [METADATA]]}):
        execute(made(f"http://near.test:{port}/near", url), "--proxy", "environment", **settings).is_one("succeeded", 0, polls=2)
        equal(proxy.asked, [f"GET {url}"] * 2)
        is_refused(execute(made(f"http://near.test:{port}/near"), "--proxy", "environment", **settings), "metadata")
    equal(len(stage(PUBLIC).requests("/end")), 1)


if __name__ == "__main__":
    HAS_NETWORK = seclude()
    run_all()
