"""admin: a worker's admin server, as a client sees it.

    admin = Admin(worker)              # of --admin-listen with port 0: its log says the port
    admin.get("/readyz").code
    admin.metrics()['rxp_runs_total{outcome="succeeded",code="none"}']
"""
import dataclasses
import json
import re
import urllib.error
import urllib.request


@dataclasses.dataclass
class Answer:
    code: int
    headers: dict
    text: str

    def json(self):
        return json.loads(self.text)


class Admin:
    def __init__(self, worker, seconds=20):
        self.port = int(worker.wait_for(r'"event":"admin_listens".*, port ([0-9]+)"', seconds).group(1))
        self.origin = f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, headers=None, body=None):
        request = urllib.request.Request(self.origin + path, data=body, headers=headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read().decode())

    def get(self, path, **headers):
        return self.ask("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})

    def ready(self):
        return self.get("/readyz").code == 200

    def metrics(self):
        """{sample with its labels: number}"""
        found = {}
        for line in self.get("/metrics").text.splitlines():
            if not line.startswith("#"):
                sample, number = line.rsplit(" ", 1)
                assert sample not in found, f"twice: {sample}"
                found[sample] = float(number)
        return found

    def family(self, name):
        """{labels as they stand there: number}"""
        return {sample[len(name):]: number for sample, number in self.metrics().items()
                if re.match(re.escape(name) + r"($|\{)", sample)}
