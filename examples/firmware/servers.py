"""Servers in processes of their own, on loopback: that they are up, that they end, and two."""

import socket
import subprocess
import sys
import time
from contextlib import contextmanager

ADDRESS = "127.0.0.1"
SECONDS = 10  # for a server to start or to stop

# What every nginx here has; `http` and `server` are what else one has. Its files are all in `work`.
CONFIGURATION = """\
daemon off;
master_process off;
worker_processes 1;
error_log "{work}/error.log";
pid "{work}/pid";
events {{ worker_connections 64; }}
http {{
    default_type application/octet-stream;
    client_body_temp_path "{work}/body";
    proxy_temp_path "{work}/proxy";
    fastcgi_temp_path "{work}/fastcgi";
    uwsgi_temp_path "{work}/uwsgi";
    scgi_temp_path "{work}/scgi";
    {http}
    server {{
        listen {address}:{port};
        root "{folder}";
        {server}
    }}
}}
"""


def stop(process):
    """Ends a process that was started here."""
    process.terminate()
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def is_up(process, port):
    """Waits until the process listens. False if it ended."""
    for _ in range(SECONDS * 100):
        if process.poll() is not None:
            return False
        try:
            socket.create_connection((ADDRESS, port), SECONDS).close()
            return True
        except ConnectionRefusedError:
            time.sleep(0.01)
    return False


def start_nginx(work, settings):
    """Starts nginx at a port that nobody has at the moment: it and the port, or None."""
    with socket.socket() as unused:
        unused.bind((ADDRESS, 0))
        port = unused.getsockname()[1]
    text = CONFIGURATION.format(work=work, address=ADDRESS, port=port, **settings)
    (work / "conf").write_text(text, encoding="utf-8")
    command = ["nginx", "-p", work, "-c", work / "conf", "-e", work / "error.log"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if is_up(process, port):
        return process, port
    stop(process)
    return None


@contextmanager
def nginx(work, folder, http="access_log off;", server=""):
    """nginx over `folder`, with everything of its own in `work`. Gives the port."""
    settings = {"folder": folder, "http": http, "server": server}
    for _ in range(3):  # another process may have taken the port in between
        if started := start_nginx(work, settings):
            break
    else:
        sys.exit("nginx does not start: " + (work / "error.log").read_text(encoding="utf-8"))
    process, port = started
    try:
        yield port
    finally:
        stop(process)


@contextmanager
def python(folder, *options):
    """Python's http.server over `folder`, in a process of its own. Gives the port."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", ADDRESS]
    command += ["--directory", folder, *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, **pipes, text=True) as process:
        try:
            said = process.stdout.readline()  # Serving HTTP on 127.0.0.1 port 80 (…
            if " port " not in said:
                sys.exit(f"http.server {' '.join(options)} does not start")
            yield int(said.split(" port ")[1].split()[0])
        finally:
            stop(process)
