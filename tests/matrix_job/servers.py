"""The servers of the matrix, each with a configuration of its own, on ports of 127.0.0.1.

All of them serve the same folder, by themselves as far as they can; for the rest they stand in
front of `origin.Origin`. A connection that is idle for 2 s is closed, a body of 16 MiB is the
largest.
"""

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from main_job.servers import stop
from matrix_job.origin import FIELDS, HUGE, IDLE, LIMITED, VALUE
from tls_job.servers import HTTPD_FOLDERS

HERE = Path(__file__).resolve().parent


class Start(NamedTuple):
    """What a server is started with."""

    work: Path  # a folder of its own
    files: Path
    origin: int  # the port of what is behind it


def many(line, count):
    """A line of a configuration for each of so many fields."""
    return "\n".join(line.format(number=number, value="v" * VALUE) for number in range(count))


NGINX = """\
daemon off;
master_process off;
worker_processes 1;
error_log "{work}/error.log";
pid "{work}/pid";
events {{ worker_connections 512; }}
http {{
    access_log off;
    sendfile on;
    types {{ text/plain txt; }}
    default_type application/octet-stream;
    keepalive_timeout {idle}s;
    keepalive_requests 100000;
    client_max_body_size {limited};
    client_body_temp_path "{work}/body";
    proxy_temp_path "{work}/proxy";
    fastcgi_temp_path "{work}/fastcgi";
    uwsgi_temp_path "{work}/uwsgi";
    scgi_temp_path "{work}/scgi";
    gzip on;
    gzip_types text/plain;
    server {{
        listen 127.0.0.1:{ports[http]};
        root "{files}";
        location = /moved {{ return 302 /file/1000; }}
        location = /moved-post {{ return 307 /echo; }}
        location = /large-head {{ {large} }}
        location = /huge-head {{ try_files /large-head =404; {huge} }}
        location /put/ {{
            root "{work}";
            dav_methods PUT;
            create_full_put_path on;
        }}
        location ~ ^/(echo|chunked/|limited/) {{
            proxy_pass http://127.0.0.1:{origin};
            proxy_http_version 1.1;
            proxy_request_buffering off;
        }}
    }}
}}
"""


def nginx(start, ports):
    """nginx, in one process."""
    field = 'add_header X-Large-{number} "{value}";'
    settings = NGINX.format(ports=ports, idle=IDLE, limited=LIMITED, large=many(field, FIELDS),
                            huge=many(field, HUGE), **start._asdict())
    (start.work / "conf").write_text(settings)
    return ["nginx", "-p", start.work, "-c", start.work / "conf", "-e", start.work / "error.log"]


HTTPD = """\
ServerRoot "{work}"
ServerName localhost
PidFile "{work}/pid"
Mutex pthread
ErrorLog "{work}/error.log"
{modules}
{user}
Listen 127.0.0.1:{ports[http]}
StartServers 1
ThreadsPerChild 64
MaxRequestWorkers 64
KeepAliveTimeout {idle}
MaxKeepAliveRequests 0
LimitRequestBody {limited}
DocumentRoot "{files}"
DavLockDB "{work}/locks"
TypesConfig /dev/null
AddType text/plain .txt
AddOutputFilterByType DEFLATE text/plain
Alias /put/ "{work}/put/"
Alias /limited/ "{work}/put/"
Redirect 302 /moved /file/1000
Redirect 307 /moved-post /echo
Alias /huge-head "{files}/large-head"
<Directory "{files}">
    Require all granted
</Directory>
<Directory "{work}/put">
    Require all granted
    Dav On
</Directory>
<Location /large-head>
{large}
</Location>
<Location /huge-head>
{huge}
</Location>
ProxyPass /echo http://127.0.0.1:{origin}/echo
ProxyPass /chunked/ http://127.0.0.1:{origin}/chunked/
"""

HTTPD_MODULES = ("mpm_event", "authz_core", "mime", "filter", "deflate", "headers", "alias", "dav",
                 "dav_fs", "proxy", "proxy_http")


def httpd(start, ports):
    """Apache httpd, in one process."""
    folder = next(filter(os.path.isdir, HTTPD_FOLDERS))
    modules = "\n".join(
        f"LoadModule {name}_module {folder}/mod_{name}.so" for name in HTTPD_MODULES
    )
    (start.work / "put").mkdir(exist_ok=True)
    (start.work / "put").chmod(0o777)
    start.work.chmod(0o777)
    # Root would not be let in as itself.
    user = "User nobody\nGroup nogroup" if os.geteuid() == 0 else ""
    field = "Header set X-Large-{number} {value}"
    settings = HTTPD.format(modules=modules, user=user, ports=ports, idle=IDLE, limited=LIMITED,
                            large=many(field, FIELDS), huge=many(field, HUGE), **start._asdict())
    (start.work / "conf").write_text(settings)
    return ["apache2", "-X", "-f", start.work / "conf"]


LIGHTTPD = """\
server.modules = ("mod_alias", "mod_redirect", "mod_setenv", "mod_webdav", "mod_proxy",
                  "mod_deflate")
server.bind = "127.0.0.1"
server.port = {ports[http]}
server.document-root = "{files}"
server.errorlog = "{work}/error.log"
server.upload-dirs = ("{work}")
server.max-keep-alive-idle = {idle}
server.max-keep-alive-requests = 100000
server.max-request-size = {limited_kib}
server.stream-request-body = 1
server.stream-response-body = 1
mimetype.assign = (".txt" => "text/plain", "" => "application/octet-stream")
deflate.mimetypes = ("text/plain")
deflate.allowed-encodings = ("gzip")
alias.url = ("/put/" => "{work}/put/", "/huge-head" => "{files}/large-head")
url.redirect-code = 302
$HTTP["url"] == "/moved" {{ url.redirect = ("" => "/file/1000") }}
$HTTP["url"] == "/moved-post" {{
    url.redirect = ("" => "/echo")
    url.redirect-code = 307
}}
$HTTP["url"] == "/large-head" {{ setenv.add-response-header = ({large}) }}
$HTTP["url"] == "/huge-head" {{ setenv.add-response-header = ({huge}) }}
$HTTP["url"] =~ "^/put/" {{ webdav.activate = "enable" }}
$HTTP["url"] =~ "^/(echo|chunked/|limited/)" {{
    proxy.server = ("" => (("host" => "127.0.0.1", "port" => {origin})))
}}
"""


def lighttpd(start, ports):
    """lighttpd, in one process."""
    (start.work / "put").mkdir(exist_ok=True)
    field = '"X-Large-{number}" => "{value}",'
    settings = LIGHTTPD.format(ports=ports, idle=IDLE, limited_kib=LIMITED >> 10,
                               large=many(field, FIELDS), huge=many(field, HUGE),
                               **start._asdict())
    (start.work / "conf").write_text(settings)
    return ["lighttpd", "-D", "-f", start.work / "conf"]


HAPROXY = """\
global
    maxconn 512
    tune.bufsize 131072
    tune.maxrewrite 1024
    tune.http.maxhdr 1024
defaults
    mode http
    timeout connect 10s
    timeout client 30s
    timeout server 30s
    timeout http-keep-alive {idle}s
frontend http
    bind 127.0.0.1:{ports[http]}
    http-request redirect location /file/1000 code 302 if {{ path /moved }}
    http-request redirect location /echo code 307 if {{ path /moved-post }}
    http-request deny deny_status 413 if {{ req.hdr_val(content-length) gt {limited} }}
    default_backend behind
backend behind
    compression algo gzip
    compression type text/plain
    compression offload
    server behind 127.0.0.1:{origin}
"""


def haproxy(start, ports):
    """haproxy, in front of what listens at the port `start.origin`."""
    settings = HAPROXY.format(ports=ports, idle=IDLE, limited=LIMITED, **start._asdict())
    (start.work / "conf").write_text(settings)
    return ["haproxy", "-db", "-q", "-f", start.work / "conf"]


@contextmanager
def node(folder):
    """Node. Gives the port."""
    some = map(str, (IDLE, LIMITED, FIELDS, VALUE, HUGE))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    command = ["node", HERE / "node.mjs", folder, *some]
    with subprocess.Popen(command, **pipes, text=True) as process:
        try:
            yield int(process.stdout.readline())
        finally:
            stop(process)
