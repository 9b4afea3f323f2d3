#!/usr/bin/python3
"""The worker's page as people see it: headless Chromium, a real worker at work, a real broker, the simulated backend."""
import contextlib
import json
import signal
import urllib.request

from browser import Browser
from child import wait_until
from cluster import Message
from scene import Scene
from tap import equal, holds, run_all, test
from worker import invocation

TOKEN = "the-token-of-the-tests"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@contextlib.contextmanager
def watched(partitions=3, **options):
    """A scene, its worker, and the worker's page in a browser."""
    with Scene(partitions=partitions) as scene:
        options.setdefault("admin_token", TOKEN)
        options.setdefault("admin_listen", "127.0.0.1:0")
        worker = scene.worker(**options)
        port = int(worker.wait_for(r"admin server listens on .*, port (\d+)").group(1))
        with Browser() as browser:
            browser.open(f"http://127.0.0.1:{port}/")
            yield scene, worker, browser, port


def long_run(name, scene, **metadata):
    return invocation(name, scene.backend, {"seconds": "600"}, timeout_seconds=3600, **metadata)


def listed(browser):
    """The ids in the list of the oldest runs."""
    return set(browser.run("return [...document.querySelectorAll('#oldest tbody th > bdi')].map(node => node.title)"))


def results_of(scene, invocation_id):
    return [r.json() for r in scene.kafka.read_all(scene.results) if r.json()["invocation_id"] == invocation_id]


@test("under load it shows counts, phases, a plot, windows, the oldest runs and failures by cause")
def _():
    with watched() as (scene, _, browser, _):
        browser.wait_for("Ready: nothing is in flight", "#state")
        scene.produce([Message(long_run(f"long-{n}", scene), partition=n % 3) for n in range(60)])
        for _ in range(4):  # so that something happens in several steps of the plot
            scene.produce([invocation(f"ok-{n}", scene.backend, {"seconds": "0-1"}) for n in range(100)] +
                          [invocation(f"bad-{n}", scene.backend, {"code": "500"}) for n in range(5)])
            wait_until(lambda: browser.run("return document.querySelector('polyline.taken').points.length") > 1, 60, "points")
        browser.wait_for("60", "#in-flight", 60)
        browser.wait_for("400 since it started", "#succeeded-of")
        browser.wait_for("20 since it started", "#failed-of")
        browser.wait_for("Ready: it takes what comes.", "#state")
        browser.wait_for("0", "#waiting")
        holds(browser.text("#in-flight-of"), "of 50,000")
        phases = browser.text("#phases")
        holds(phases, "queued", "prepare", "kickoff", "wait", "poll", "fetch", "publish")
        numbers = "return [...document.querySelectorAll('#phases b')].reduce((sum, node) => sum + Number(node.textContent), 0)"
        wait_until(lambda: browser.run(numbers) == 60, 30, "sixty runs in the phases")
        equal(browser.count("#phases-bar rect") > 0, True, "a bar of phases")
        # The plot: over its steps, all 400 that succeeded.
        wait_until(lambda: sum(browser.run("return page.status.history.succeeded")) == 400, 30, "all that succeeded, in the plot")
        for name in ("taken", "succeeded", "failed"):
            equal(browser.run(f"return document.querySelector('polyline.{name}').points.length > 1"), True, name)
        holds(browser.text("#plot-values"), "taken/s", "succeeded/s", "not succeeded/s")
        # Windows: of each of the three partitions; something in flight is drawn, and a frontier.
        wait_until(lambda: browser.count("#partitions svg.window .flight") > 0, 30, "a window with runs in flight")
        equal(browser.count("#partitions tbody tr"), 3, "partitions")
        wait_until(lambda: browser.count("#partitions svg.window .front") == 3, 30, "frontiers")
        holds(browser.run("return document.querySelector('svg.window').getAttribute('aria-label')"), "in flight", "done")
        # The oldest, and pages of them.
        wait_until(lambda: browser.count("#oldest tbody tr") == 20, 30, "twenty runs")
        browser.wait_for("20 of 60 runs", "#matching")
        seen = set()
        for turn in range(3):
            wait_until(lambda: not seen & listed(browser), 30, "other runs")
            seen |= listed(browser)
            if turn < 2:
                browser.click("#next")
        equal(len(seen), 60, "different runs on three pages")
        browser.click("#first")
        browser.wait_for("20 of 60 runs", "#matching")
        # Filters.
        browser.type("#filter-name", "nobody")
        browser.wait_for("No runs like that are under way.", "#oldest-none")
        browser.type("#filter-name", "test")
        browser.wait_for("20 of 60 runs", "#matching")
        holds(browser.text("#failures"), "kickoff_status", "20", scene.backend.origin)
        browser.shoot("load", 1280, "light")
        browser.shoot("load", 1280, "dark")
        browser.shoot("load", 400, "light")
        browser.shoot("load", 400, "dark")
        equal(browser.complaints(), [], "what the console of the browser says")


@test("a look-up finds a run by its id, and says where there is none")
def _():
    with watched() as (scene, _, browser, _):
        scene.produce([long_run("a/b?c=d&e#f%41", scene), long_run("other", scene)])
        browser.wait_for("2", "#in-flight", 60)
        browser.type("#find", "a/b?c=d&e#f%41\n")
        browser.wait_for("1 run of this id", "#found-why")
        holds(browser.text("#found-runs"), "a/b?c=d&e#f%41", scene.backend.origin, scene.invocations)
        browser.type("#find", "nowhere")
        browser.click("#find-form button")
        browser.wait_for("no run of invocation_id 'nowhere' is under way", "#found-why")
        equal(browser.text("#found-runs"), "", "runs that were found")
        browser.type("#find", "..\n")
        browser.wait_for("'..' cannot be asked for by its id", "#found-why")
        browser.click("#found-close")
        equal(browser.text("#found"), "", "what is left of the look-up")


@test("markup in ids and states is text to it, wherever it is shown")
def _():
    with watched() as (scene, _, browser, _):
        hostile = long_run(HOSTILE, scene)
        hostile["runtime_name"] = HOSTILE
        failing = invocation(HOSTILE + "2", scene.backend, {"code": "500"})
        failing["runtime_name"] = HOSTILE
        scene.produce([hostile, failing])
        browser.wait_for(HOSTILE, "#oldest tbody", 60)
        browser.wait_for(HOSTILE, "#failures tbody", 60)
        browser.type("#find", HOSTILE + "\n")
        browser.wait_for(HOSTILE, "#found-runs")
        browser.click("#oldest td.act button")
        browser.wait_for(HOSTILE, "#cancel-id")
        browser.shoot("hostile", 400, "light")
        browser.click("#cancel-no")
        equal(browser.run("return [document.images.length, document.scripts.length]"), [0, 1], "images, scripts")
        equal("owned" in browser.run("return document.title"), False, "the title was changed")
        equal(browser.complaints(), [], "what the console of the browser says")


@test("a run whose id is too long to be shown has no cancel: it could hit another")
def _():
    with watched() as (scene, _, browser, _):
        scene.produce([long_run("i" * 1100, scene), long_run("short", scene)])
        wait_until(lambda: len(listed(browser)) == 2, 60, "both in the list")
        equal(listed(browser), {"i" * 1000 + "…", "short"})
        equal(browser.run("return [...document.querySelectorAll('#oldest td.act button')].map(node => node.ariaLabel)"),
              ["Cancel short"])


@test("cancel asks for the token, refuses a wrong one, and ends the run as cancelled")
def _():
    with watched() as (scene, _, browser, _):
        scene.produce([long_run("victim", scene), long_run("bystander", scene)])
        browser.wait_for("2", "#in-flight", 60)
        browser.type("#find", "victim\n")
        browser.click("#found-runs td.act button")
        browser.wait_for("victim", "#cancel-id")
        browser.shoot("cancel", 1280, "light")
        browser.shoot("cancel", 400, "dark")
        browser.click("#cancel-yes")
        browser.wait_for("needs the admin token", "#cancel-why")
        browser.type("#cancel-token", "wrong")
        browser.click("#cancel-yes")
        browser.wait_for("not the worker's admin token", "#cancel-why")
        equal(results_of(scene, "victim"), [], "results so far")
        browser.type("#cancel-token", TOKEN)
        browser.click("#cancel-yes")
        browser.wait_for("Cancel of victim is under way: 1 run.", "#state")
        scene.kafka.read_until(scene.results, 1, 30)
        equal([result["status"] for result in results_of(scene, "victim")], ["cancelled"], "its result")
        equal(results_of(scene, "bystander"), [], "the other's results")
        browser.wait_for("1", "#in-flight")
        # Now it knows the token.
        browser.click("#oldest td.act button")
        browser.wait_for("bystander", "#cancel-id")
        equal(browser.text("#cancel-token-part"), "", "asked for the token again")
        browser.click("#cancel-no")
        equal(browser.run("return localStorage.length"), 1, "what stays: the theme")
        equal(browser.run("return document.cookie"), "", "cookies")


@test("without a token configured the cancel says why it can't be")
def _():
    with watched(admin_token=None) as (scene, _, browser, _):
        scene.produce([long_run("run", scene)])
        browser.click("#oldest td.act button")
        browser.wait_for("started without an admin token", "#cancel-why")
        equal(browser.text("#cancel-yes"), "", "the button")
        browser.click("#cancel-no")


@test("beyond loopback it asks for the token and shows nothing before")
def _():
    with watched(admin_listen="0.0.0.0:0") as (scene, _, browser, _):
        browser.wait_for("tells nothing without its admin token", "#state")
        holds(browser.text("#token-why"), "who have the token")
        equal(browser.text("#numbers"), "", "numbers")
        browser.shoot("token", 400, "dark")
        browser.type("#token", "wrong\n")
        browser.wait_for("not the worker's admin token", "#token-why")
        equal(browser.text("#numbers"), "", "numbers")
        browser.type("#token", TOKEN + "\n")
        browser.wait_for("Ready", "#state")
        browser.wait_for(scene.group, "#about")
        equal(browser.text("#token-form"), "", "the form")
        browser.driver.refresh()
        browser.wait_for("Ready", "#state")


BRIGHTNESS = """
const parse = text => text.match(/[\\d.]+/g).map(Number);
const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const ground = node => {
  for (; node; node = node.parentElement) {
    const colour = parse(getComputedStyle(node).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll('body *')].filter(node => node.checkVisibility() &&
  [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim())).map(node => {
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.tagName + ' ' + node.className + ': ' + node.textContent.slice(0, 40)];
  }).filter(([contrast, what]) => contrast < 4.5 && !what.startsWith('OPTION'));
"""


@test("light and dark, wide and narrow, it can be read, and nothing is cut off")
def _():
    with watched() as (scene, _, browser, _):
        scene.produce([long_run("x" * 300 + str(n), scene) for n in range(5)] +
                      [invocation("y" * 300, scene.backend, {"code": "500"})])
        browser.wait_for("5", "#in-flight", 60)
        browser.wait_for("kickoff_status", "#failures")
        wait_until(lambda: browser.count("#oldest tbody tr") == 5, 30, "the runs")
        grounds = {}
        for scheme in ("light", "dark"):
            for width in (1280, 400):
                browser.look(width, scheme)
                equal(browser.overflow(), 0, f"pixels too wide at {width}")
                equal(browser.run(BRIGHTNESS), [], f"what has too little contrast, {scheme}")
            grounds[scheme] = browser.run("return getComputedStyle(document.body).backgroundColor")
        equal(grounds["light"] != grounds["dark"], True, f"two themes: {grounds}")
        # The switch goes its own way, and is remembered.
        browser.look(1280, "dark")
        browser.click("#theme")
        browser.wait_for("Theme: light", "#theme")
        equal(browser.run("return getComputedStyle(document.body).backgroundColor"), grounds["light"], "light by choice")
        browser.driver.refresh()
        browser.wait_for("Theme: light", "#theme")
        equal(browser.run("return getComputedStyle(document.body).backgroundColor"), grounds["light"], "still light")
        browser.look(1280, "light")
        browser.click("#theme")
        browser.wait_for("Theme: dark", "#theme")
        equal(browser.run("return getComputedStyle(document.body).backgroundColor"), grounds["dark"], "dark by choice")


@test("it has landmarks, labels, headings and headers for those who hear it")
def _():
    with watched() as (scene, _, browser, _):
        scene.produce([long_run("run", scene)])
        browser.wait_for("run", "#oldest tbody")
        for landmark in ("header", "main", "footer", "h1", "[role=search]", "#state[aria-live=polite]"):
            equal(browser.count(landmark), 1, landmark)
        unnamed = browser.run("""return [...document.querySelectorAll('input, select')].filter(node => !node.labels.length)
            .concat([...document.querySelectorAll('button')].filter(node => !node.textContent && !node.ariaLabel))
            .map(node => node.outerHTML)""")
        equal(unnamed, [], "fields and buttons without a name")
        headless = browser.run("""return [...document.querySelectorAll('table')].filter(table => !table.caption ||
            table.tBodies[0].rows.length && !table.querySelector('tbody th[scope=row]') ||
            table.tHead.rows.length && !table.querySelector('thead th[scope=col]')).map(table => table.id)""")
        equal(headless, [], "tables without caption or headers")
        holds(browser.run("return document.querySelector('#oldest td.act button').ariaLabel"), "Cancel run")


@test("when the worker is gone it says so and since when; when it is back all is well")
def _():
    with watched() as (scene, worker, browser, port):
        scene.produce([long_run("run", scene)])
        browser.wait_for("1", "#in-flight", 60)
        worker.kill()
        browser.wait_for("Connection to the worker lost at ", "#state")
        holds(browser.text("#state"), "What is shown below is from ")
        equal(browser.count("body.stale"), 1, "greyed")
        equal(browser.text("#in-flight"), "1", "the last number")
        holds(browser.run("return document.title"), "lost")
        browser.shoot("lost", 1280, "light")
        scene.worker(admin_listen=f"127.0.0.1:{port}", name="second")
        wait_until(lambda: "lost" not in browser.text("#state"), 60, "the connection")
        equal(browser.count("body.stale"), 0, "greyed")


@test("while it drains it says so")
def _():
    with watched(drain_seconds=60, checkpoints_topic="") as (scene, worker, browser, _):
        scene.produce([long_run("run", scene)])
        browser.wait_for("1", "#in-flight", 60)
        worker.signal(signal.SIGTERM)
        browser.wait_for("Draining", "#state")
        holds(browser.text("#in-flight"), "1")


@test("without its broker it says that it is not ready, and why")
def _():
    with Scene(partitions=1) as scene:
        worker = scene.worker(bootstrap_servers="127.0.0.1:1", admin_listen="127.0.0.1:0")
        port = int(worker.wait_for(r"admin server listens on .*, port (\d+)").group(1))
        with Browser() as browser:
            browser.open(f"http://127.0.0.1:{port}/")
            browser.wait_for("Not ready: no broker of 127.0.0.1:1 has answered yet", "#state")
            browser.wait_for("No runs are under way.", "#oldest-none")
            wait_until(lambda: browser.text("#state").count("refused") == 1 and not browser.text("#trouble"), 30, "its reason, once")
            browser.shoot("not-ready", 1280, "dark")


@test("what it is served with lets it ask its own worker and nothing else")
def _():
    with Scene(partitions=1) as scene:
        worker = scene.worker(admin_listen="127.0.0.1:0")
        port = int(worker.wait_for(r"admin server listens on .*, port (\d+)").group(1))
        with Browser() as browser:
            browser.open(f"http://127.0.0.1:{port}/")
            browser.wait_for("Ready", "#state", 60)
            browser.run("const s = document.createElement('script'); s.textContent = \"document.title = 'owned'\"; document.body.append(s)")
            equal("owned" in browser.run("return document.title"), False, "a script from elsewhere ran")
            gone = browser.run("return fetch('http://127.0.0.1:1/').then(() => 'went', e => 'blocked')")
            equal(gone, "blocked", "a request to elsewhere")
            equal(any("Content Security Policy" in line for line in browser.complaints()), True, "the policy's complaint")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=10) as answer:
            equal(json.load(answer)["group_id"], scene.group, "the status")


if __name__ == "__main__":
    run_all()
