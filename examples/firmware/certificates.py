"""Certificates of the job's own, made by openssl as they are needed: keys of P-256, for a day."""

import hashlib
import ssl
import subprocess

ADDRESS = "IP:10.0.2.2"  # where QEMU's user network has the host
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def openssl(*arguments):
    """Runs openssl; returns what it printed."""
    command = ["openssl", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True).stdout


class Authority:
    """Who vouches for others."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.pem, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        self.der = folder / f"{name}.der"
        subject = ["-subj", f"/O={name}", "-days", 1]
        openssl("req", "-x509", *KEY, "-keyout", self.key, "-out", self.pem, *subject)
        openssl("x509", "-in", self.pem, "-outform", "DER", "-out", self.der)

    def leaf(self, name, names=ADDRESS, purpose="serverAuth"):
        """A certificate for these names: files with it and with its key."""
        pem, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        options = ["-CA", self.pem, "-CAkey", self.key, "-subj", "/O=leaf", "-days", 1]
        for extension in (
            f"subjectAltName={names}",
            f"extendedKeyUsage={purpose}",
            "basicConstraints=critical,CA:FALSE",
        ):
            options += ["-addext", extension]
        openssl("req", "-x509", *KEY, "-keyout", key, "-out", pem, *options)
        return pem, key


def own(folder, name, names=ADDRESS):
    """The same, signed by itself."""
    pem, key = folder / f"{name}.pem", folder / f"{name}.key"
    options = ["-subj", "/O=own", "-days", 1, "-addext", f"subjectAltName={names}"]
    options += ["-addext", "basicConstraints=critical,CA:FALSE"]
    openssl("req", "-x509", *KEY, "-keyout", key, "-out", pem, *options)
    return pem, key


def pin(pem):
    """The digest of the key in a certificate, as a pin has it."""
    public = openssl("x509", "-in", pem, "-noout", "-pubkey")
    lines = [line for line in public.decode().splitlines() if not line.startswith("-")]
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(
        "-----BEGIN CERTIFICATE-----\n" + "\n".join(lines) + "\n-----END CERTIFICATE-----\n"
    )).digest()


def context(leaf, version=ssl.TLSVersion.TLSv1_3):
    """What a server shakes hands with that has this certificate, by no other version."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = made.maximum_version = version
    made.load_cert_chain(*leaf)
    return made
