#!/usr/bin/python3
"""`rxp-worker exec` with TLS: who is trusted, which versions are spoken, who is shown a client certificate."""
import pathlib
import re
import ssl
import tempfile
import warnings

import execution
from pki import Authority
from stage import DROP, Stage, answer
from tap import equal, holds, rows, run_all, test
from worker import run_command

OK = ("succeeded", 0)
FOLDER = tempfile.TemporaryDirectory()
TRUSTED, STRANGE = Authority(FOLDER.name, "trusted"), Authority(FOLDER.name, "strange")
SERVER = TRUSTED.issue("server", "IP:127.0.0.1,DNS:localhost")
CLIENT = TRUSTED.issue("client")
OTHER_CLIENT = TRUSTED.issue("other-client")
ENDED = answer(200, '{"status":"completed"}')
# Debian's settings alone refuse what is older than TLS 1.2: this is a system whose settings do not.
LAX = pathlib.Path(FOLDER.name, "lax.cnf")
LAX.write_text("openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = lax\n"
               "[lax]\nMinProtocol = TLSv1\nCipherString = DEFAULT@SECLEVEL=0\n")


def execute(given, *arguments, **keywords):
    return execution.execute(given, "--kickoff-max-retries", "0", *arguments, **keywords)


def context(certificate=SERVER, asks=ssl.CERT_NONE, newest=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*certificate)
    made.load_verify_locations(TRUSTED.certificate)
    made.verify_mode = asks
    if newest:
        warnings.simplefilter("ignore", DeprecationWarning)
        made.minimum_version = ssl.TLSVersion.TLSv1
        made.maximum_version = newest
        made.set_ciphers("DEFAULT@SECLEVEL=0")
    return made


def made(url, poll_url=None):
    keys = {"http.url": url}
    if poll_url:
        keys.update({"http.poll_url_template": poll_url, "http.poll_status_path": "status",
                     "http.poll_terminal_states": "completed", "http.poll_interval_seconds": "0.01"})
    return {"invocation_id": "a", "runtime_name": "tls", "runtime_kind": "http_async" if poll_url else "http",
            "working_directory": "/", "command": ["none"], "timeout_seconds": 30, "metadata": keys}


def play(path="/a", *answers, **settings):
    stage = Stage(context=context(**settings))
    stage.on(path, *(answers or [ENDED]))
    return stage


def run(stage, host="127.0.0.1", *arguments, ca_file=TRUSTED.certificate, **keywords):
    url = stage.url("/a").replace("127.0.0.1", host)
    return execute(made(url), "--ca-file", ca_file, *arguments, **keywords)


# ---- whom it trusts ----

@rows("a server is trusted: {0}", [
    ("by its address", "127.0.0.1"),
    ("by its name", "localhost"),
])
def _(_, host):
    run(play(), host).is_one("succeeded", 200)


REFUSED = [
    ("of a strange authority", STRANGE.issue("server", "IP:127.0.0.1"), "127.0.0.1",
     "SSL certificate problem: unable to get local issuer certificate"),
    ("that has expired", TRUSTED.issue("old", "IP:127.0.0.1", days=-1), "127.0.0.1",
     "SSL certificate problem: certificate has expired"),
    ("of another name", TRUSTED.issue("named", "DNS:other.example"), "localhost", "SSL: no alternative certificate subject name matches target .*"),
    ("of another address", TRUSTED.issue("addressed", "IP:127.0.0.2"), "127.0.0.1", "SSL: no alternative certificate subject name matches target .*"),
    ("that it made itself", (STRANGE.certificate, STRANGE.key), "127.0.0.1", "SSL certificate problem: self.signed certificate"),
]


@rows("a certificate {0} is refused, and nothing is sent", REFUSED)
def _(_, certificate, host, sentence):
    stage = play(certificate=certificate)
    run(stage, host).is_one("failed", None, "kickoff_network", re.compile(f"kickoff to https://{host}.*{sentence}"))
    equal(stage.requests("/a"), [])


@test("the system's authorities do not trust it, and those of ca-file are not added to them")
def _():
    stage = play()
    execute(made(stage.url("/a"))).is_one("failed", None, "kickoff_network")
    run(stage, ca_file=STRANGE.certificate).is_one("failed", None, "kickoff_network")
    equal(stage.requests("/a"), [])


@test("a poll is not sent either to whom nobody trusts")
def _():
    stage, strange = play("/a", answer(202)), play("/poll", certificate=STRANGE.issue("poll", "IP:127.0.0.1"))
    execute(made(stage.url("/a"), strange.url("/poll")), "--ca-file", TRUSTED.certificate, "--poll-max-failures", "0").is_one(
        "failed", None, "poll_network")
    equal(strange.requests("/poll"), [])


# ---- versions ----

@rows("{0} is {1}, whatever the system's settings allow", [
    ("TLS 1.0", "refused", ssl.TLSVersion.TLSv1),
    ("TLS 1.1", "refused", ssl.TLSVersion.TLSv1_1),
    ("TLS 1.2", "spoken", ssl.TLSVersion.TLSv1_2),
    ("TLS 1.3", "spoken", ssl.TLSVersion.TLSv1_3),
])
def _(_, what, newest):
    stage = play(newest=newest)
    done = run(stage, environment={"OPENSSL_CONF": LAX})
    if what == "spoken":
        done.is_one("succeeded", 200)
    else:
        done.is_one("failed", None, "kickoff_network", re.compile("kickoff to https://.*(version|protocol).*"))
    equal(len(stage.requests("/a")), 1 if what == "spoken" else 0)


# ---- client certificates ----

def certificates(*entries):
    return ["--client-certificates", ",".join(f"{place}={files[0]}:{files[1]}" for place, files in entries)]


@rows("a server that asks for a certificate {0}", [
    ("gets that of its host", "127.0.0.1", True),
    ("gets that of its host and port", "127.0.0.1:{port}", True),
    ("does not get that of another port", "127.0.0.1:1", False),
    ("does not get that of another host", "localhost", False),
])
def _(_, place, is_given):
    stage = play(asks=ssl.CERT_REQUIRED)
    done = run(stage, "127.0.0.1", *certificates((place.format(port=stage.port), CLIENT)))
    if is_given:
        done.is_one("succeeded", 200)
        equal(stage.clients(), ["client"])
    else:
        done.is_one("failed", None, "kickoff_network")
        equal(stage.requests("/a"), [])


@test("the entry with a port goes before the one without")
def _():
    stage = play(asks=ssl.CERT_REQUIRED)
    run(stage, "127.0.0.1", *certificates(("127.0.0.1", CLIENT), (f"127.0.0.1:{stage.port}", OTHER_CLIENT))).is_one(
        "succeeded", 200)
    equal(stage.clients(), ["other-client"])


@test("no certificate goes along to where a redirect or a poll leads, though handles are used again")
def _():
    own, foreign = Stage(context=context(asks=ssl.CERT_REQUIRED)), Stage(context=context(asks=ssl.CERT_OPTIONAL))
    third = Stage(context=context(asks=ssl.CERT_OPTIONAL))
    own.on("/a", answer(307, Location=foreign.url("/b")))
    foreign.on("/b", answer(307, Location=own.url("/c")))
    own.on("/c", answer(202, close=True))
    foreign.on("/poll", answer(307, Location=third.url("/d")), answer(307, Location=own.url("/e")))
    third.on("/d", answer(200, '{"status":"running"}', close=True))
    own.on("/e", ENDED)
    done = execute(made(own.url("/a"), foreign.url("/poll")), "--ca-file", TRUSTED.certificate,
                   *certificates((f"127.0.0.1:{own.port}", CLIENT), (f"127.0.0.1:{third.port}", OTHER_CLIENT)))
    done.is_one("succeeded", 0, polls=2)
    equal((set(own.clients()), set(foreign.clients()), set(third.clients())), ({"client"}, {None}, {"other-client"}))


@test("a certificate that was renewed meanwhile is shown by the next connection")
def _():
    folder = pathlib.Path(FOLDER.name)
    both = folder / "both.pem"
    both.write_text(CLIENT[0].read_text() + CLIENT[1].read_text())
    stage = Stage(context=context(asks=ssl.CERT_REQUIRED))

    def renew(_):
        renewed = folder / "renewed.pem"
        renewed.write_text(OTHER_CLIENT[0].read_text() + OTHER_CLIENT[1].read_text())
        renewed.rename(both)
        return answer(202, close=True)
    stage.on("/a", renew)
    stage.on("/poll", ENDED)
    execute(made(stage.url("/a"), stage.url("/poll")), "--ca-file", TRUSTED.certificate,
            "--client-certificates", f"127.0.0.1={both}").is_one(*OK)
    equal(stage.clients(), ["client", "other-client"])


@rows("client-certificates with {0} is a mistake of usage", [
    ("a file that is not there", f"a=/no/such.pem:{CLIENT[1]}", "/no/such.pem"),
    ("the key of another", f"a={CLIENT[0]}:{OTHER_CLIENT[1]}", "cannot be used"),
    ("no host", f"{CLIENT[0]}:{CLIENT[1]}", "is not an entry"),
])
def _(_, value, sentence):
    for command in ("exec", "run"):
        done = run_command(command, "--client-certificates", value, *(["--bootstrap-servers", "127.0.0.1:1"] * (command == "run")),
                           given="{}")
        equal((done.returncode, done.stdout), (2, ""))
        holds(done.stderr, "client-certificates", sentence)


@test("a kickoff over TLS is not sent twice where a connection dies")
def _():
    dropped = play("/a", DROP)
    run(dropped).is_one("failed", None, "kickoff_network")
    equal(len(dropped.requests("/a")), 1)


if __name__ == "__main__":
    run_all()
