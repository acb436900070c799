"""nginx, Apache httpd and haproxy over TLS, each on ports of its own on 127.0.0.1."""

import os
import subprocess
from contextlib import contextmanager
from typing import NamedTuple

from main_job.servers import ADDRESS, is_up, stop, unused_ports

TRIES = 3  # another process may have taken a port in between


class End(NamedTuple):
    """A server to be asked."""

    name: str
    port: int
    mutual: int  # the port where it wants a client certificate
    answers_strangers: bool  # by 400, else it ends the handshake

    def url(self, path, host="localhost"):
        """Where something is."""
        return f"https://{host}:{self.port}{path}"


NGINX = """\
daemon off;
master_process off;
worker_processes 1;
error_log "{work}/error.log";
pid "{work}/pid";
events {{ worker_connections 256; }}
http {{
    access_log "{work}/access.log";
    sendfile on;
    default_type application/octet-stream;
    client_max_body_size 0;
    client_body_temp_path "{work}/body";
    proxy_temp_path "{work}/proxy";
    fastcgi_temp_path "{work}/fastcgi";
    uwsgi_temp_path "{work}/uwsgi";
    scgi_temp_path "{work}/scgi";
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache builtin:100;
    {servers}
}}
"""

# Files are its own; the rest comes from the origin.
SITE = """\
    server {{
        {listen}
        root "{folder}";
        location /file/ {{ }}
        location / {{
            proxy_pass http://127.0.0.1:{origin};
            proxy_http_version 1.1;
            proxy_redirect off;
            proxy_request_buffering off;
        }}
    }}
"""

SECURE = """listen 127.0.0.1:{port} ssl;
        ssl_certificate "{pair.chain}";
        ssl_certificate_key "{pair.key}";"""


class Start(NamedTuple):
    """What the servers are started with."""

    certificates: object
    folder: object  # of the files, by their length
    work: object
    origin: int  # the port of what is not a file


def nginx(start, ports):
    """The command, and the ports to wait for. `ports` has one for each name."""
    some = start.certificates
    shown = {"good": some.good, "expired": some.expired, "early": some.early,
             "elsewhere": some.elsewhere, "name-only": some.name_only, "foreign": some.foreign,
             "own": some.own, "by-middle": some.by_middle, "chained": some.chained,
             "purpose": some.purpose}
    listens = [SECURE.format(port=ports[name], pair=pair) for name, pair in shown.items()]
    listens.append(SECURE.format(port=ports["mutual"], pair=some.good)
                   + f'ssl_verify_client on; ssl_client_certificate "{some.root.chain}";')
    listens.append(f"listen 127.0.0.1:{ports['plain']};")
    for version in ("1.2", "1.3"):
        pair = SECURE.format(port=ports[version], pair=some.good)
        listens.append(f"{pair} ssl_protocols TLSv{version};")
    where = {"folder": start.folder, "origin": start.origin}
    servers = "".join(SITE.format(listen=listen, **where) for listen in listens)
    (start.work / "conf").write_text(NGINX.format(work=start.work, servers=servers))
    command = ["nginx", "-p", start.work, "-c", start.work / "conf"]
    return [*command, "-e", start.work / "error.log"]


NGINX_PORTS = ("good", "expired", "early", "elsewhere", "name-only", "foreign", "own", "by-middle",
               "chained", "purpose", "mutual", "plain", "1.2", "1.3")

HTTPD = """\
ServerRoot "{work}"
ServerName localhost
PidFile "{work}/pid"
Mutex pthread
ErrorLog "{work}/error.log"
{modules}
{user}
Listen 127.0.0.1:{ports[good]}
Listen 127.0.0.1:{ports[mutual]}
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 64
SSLSessionCache "shmcb:{work}/sessions(512000)"
SSLProtocol -all +TLSv1.2 +TLSv1.3
DocumentRoot "{folder}"
<Directory "{folder}">
    Require all granted
</Directory>
ProxyPass /file/ !
ProxyPass / http://127.0.0.1:{origin}/
<VirtualHost 127.0.0.1:{ports[good]}>
    {secure}
</VirtualHost>
<VirtualHost 127.0.0.1:{ports[mutual]}>
    {secure}
    SSLVerifyClient require
    SSLCACertificateFile "{root}"
</VirtualHost>
"""

HTTPD_MODULES = ("mpm_event", "authz_core", "socache_shmcb", "ssl", "proxy", "proxy_http")
HTTPD_FOLDERS = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules")


def httpd(start, ports):
    """Apache httpd, in one process."""
    folder = next(filter(os.path.isdir, HTTPD_FOLDERS))
    modules = "\n".join(
        f"LoadModule {name}_module {folder}/mod_{name}.so" for name in HTTPD_MODULES
    )
    pair = start.certificates.good_rsa
    secure = f'SSLEngine on\nSSLCertificateFile "{pair.chain}"\nSSLCertificateKeyFile "{pair.key}"'
    # Root would not be let in as itself.
    user = "User nobody\nGroup nogroup" if os.geteuid() == 0 else ""
    where = {"work": start.work, "folder": start.folder, "origin": start.origin}
    settings = HTTPD.format(modules=modules, user=user, ports=ports, secure=secure,
                            root=start.certificates.root.chain, **where)
    (start.work / "conf").write_text(settings)
    return ["apache2", "-X", "-f", start.work / "conf"]


HAPROXY = """\
global
    maxconn 256
    tune.ssl.default-dh-param 2048
defaults
    mode http
    timeout connect 10s
    timeout client 30s
    timeout server 30s
frontend good
    bind 127.0.0.1:{ports[good]} ssl crt "{pair}" ssl-min-ver TLSv1.2 alpn http/1.1
    default_backend nginx
frontend mutual
    bind 127.0.0.1:{ports[mutual]} ssl crt "{pair}" verify required ca-file "{root}"
    default_backend nginx
backend nginx
    server nginx 127.0.0.1:{behind}
"""


def haproxy(behind):
    """haproxy, in front of what listens at the port `behind`."""

    def command(start, ports):
        pair, root = start.certificates.good.both(), start.certificates.root.chain
        settings = HAPROXY.format(ports=ports, pair=pair, root=root, behind=behind)
        (start.work / "conf").write_text(settings)
        return ["haproxy", "-db", "-q", "-f", start.work / "conf"]

    return command


@contextmanager
def running(name, command, start, names=("good", "mutual")):
    """A server, with a port for each of `names`. Gives the ports."""
    start.work.mkdir()
    said = start.work / "said"
    for _ in range(TRIES):
        ports = dict(zip(names, unused_ports(len(names))))
        with said.open("wb") as output:
            arguments = command(start, ports)
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output)
        if all(is_up(process, port) for port in ports.values()):
            break
        stop(process)
    else:
        logs = [path for path in (said, start.work / "error.log") if path.exists()]
        words = "".join(path.read_text(errors="replace") for path in logs)
        raise RuntimeError(f"{name} does not start: {words}")
    try:
        yield ports
    finally:
        stop(process)
