"""Certificates for an hour: made by openssl where they are used, and never kept."""

import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple

NAMES = ("localhost", "127.0.0.1")
DAY = timedelta(days=1)

SETTINGS = """\
[req]
distinguished_name = name
[name]
[ca]
default_ca = ours
[ours]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
"""

ISSUER = """\
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
"""


class Pair(NamedTuple):
    """A certificate and its key, as PEM files."""

    chain: Path  # the own certificate first, then those that lead on from it
    key: Path

    def both(self):
        """One file with all of it, as haproxy wants it."""
        path = self.chain.with_suffix(".both.pem")
        path.write_bytes(self.chain.read_bytes() + self.key.read_bytes())
        return path


class Office:
    """Issues certificates, with files in `folder`."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.settings = folder / "settings"
        self.settings.write_text(SETTINGS.format(folder=folder))
        (folder / "index").touch()

    def _openssl(self, command, *arguments):
        command = ["openssl", command, "-config", self.settings, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise RuntimeError(f"openssl {command[1]}: {ran.stderr}")

    def _files(self, name):
        return Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")

    @staticmethod
    def _new_key(rsa):
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        return ["-newkey", *kind, "-nodes"]

    def root(self, name, extensions="root"):
        """A certificate that is its own issuer."""
        pair = self._files(name)
        subject = ["-subj", f"/CN={name}", "-days", "2", "-extensions", extensions]
        output = ["-keyout", pair.key, "-out", pair.chain]
        self._openssl("req", "-x509", *self._new_key(False), *subject, *output)
        return pair

    def issue(self, name, issuer, names=NAMES, days=(-1, 2), **how):
        """A certificate of `issuer`, valid between these days from now.

        `how` has `purpose`, if it is not serverAuth; `extensions`, for an issuer; `rsa`.
        """
        pair, request = self._files(name), self.folder / f"{name}.request"
        kind = self._new_key(how.get("rsa", False))
        output = ["-keyout", pair.key, "-out", request]
        self._openssl("req", "-new", *kind, "-subj", f"/CN={name}", *output)
        extensions = self.folder / f"{name}.extensions"
        purpose = how.get("purpose", "serverAuth")
        plain = f"subjectAltName = {alternatives(names)}\nextendedKeyUsage = {purpose}\n"
        extensions.write_text(how.get("extensions", plain))
        begin, end = (datetime.now(timezone.utc) + DAY * number for number in days)
        dates = ["-startdate", f"{begin:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}"]
        signer = ["-cert", issuer.chain, "-keyfile", issuer.key, "-extfile", extensions]
        files = ["-in", request, "-out", pair.chain, "-notext", "-batch"]
        self._openssl("ca", *files, *dates, *signer)
        return pair

    def key_pin(self, pair):
        """What --pinnedpubkey takes for a certificate."""
        key = ["openssl", "x509", "-in", pair.chain, "-noout", "-pubkey"]
        found = subprocess.run(key, capture_output=True, check=True).stdout
        for command in (["pkey", "-pubin", "-outform", "der"], ["dgst", "-sha256", "-binary"],
                        ["base64", "-A"]):
            openssl = ["openssl", *command]
            found = subprocess.run(openssl, input=found, capture_output=True, check=True).stdout
        return "sha256//" + found.decode().strip()


def alternatives(names):
    """Names for subjectAltName."""
    return ", ".join(("IP:" if name[-1].isdigit() else "DNS:") + name for name in names)


class Certificates:
    """All that the servers show, and the clients."""

    def __init__(self, folder):
        office = Office(folder)
        self.root = office.root("root")
        self.other_root = office.root("other-root")
        middle = office.issue("middle", self.root, extensions=ISSUER)
        self.good = office.issue("good", self.root)
        self.good_rsa = office.issue("good-rsa", self.root, rsa=True)
        self.by_middle = office.issue("by-middle", middle)
        self.chained = office.issue("chained", middle)
        with self.chained.chain.open("ab") as chain:
            chain.write(middle.chain.read_bytes())
        self.expired = office.issue("expired", self.root, days=(-9, -1))
        self.early = office.issue("early", self.root, days=(1, 9))
        self.elsewhere = office.issue("elsewhere", self.root, names=("other.example.org",))
        self.name_only = office.issue("name-only", self.root, names=("localhost",))
        self.foreign = office.issue("foreign", self.other_root)
        self.purpose = office.issue("purpose", self.root, purpose="clientAuth")
        self.own = office.root("localhost")
        self.client = office.issue("client", self.root, names=("me",), purpose="clientAuth")
        self.stranger = office.issue("stranger", self.other_root, names=("me",),
                                     purpose="clientAuth")
        self.pin = office.key_pin(self.good)
        self.rsa_pin = office.key_pin(self.good_rsa)
        self.other_pin = office.key_pin(self.foreign)
