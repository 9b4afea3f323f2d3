"""pki: authorities and certificates for tests, made with openssl as they are needed.

    trusted = Authority(folder, "trusted")
    stage = Stage(*trusted.issue("server", "IP:127.0.0.1"))
    ... --ca-file trusted.certificate ...
"""
import pathlib
import subprocess


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Authority:
    def __init__(self, folder, name):
        self.folder, self.name = pathlib.Path(folder), name
        self.certificate, self.key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        _openssl("req", "-x509", *KEY, "-days", "2", "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate)

    def issue(self, name, names=None, days=2):
        """The files of a certificate and its key. `names`: "IP:127.0.0.1,DNS:localhost"; days=-1: it has expired."""
        stem = self.folder / f"{self.name}-{name}"
        request, certificate, key = (stem.with_suffix(suffix) for suffix in (".csr", ".pem", ".key"))
        extensions = stem.with_suffix(".ext")
        extensions.write_text(f"subjectAltName={names}\n" if names else "basicConstraints=CA:FALSE\n")
        _openssl("req", *KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                 "-days", days, "-extfile", extensions, "-out", certificate)
        return certificate, key
