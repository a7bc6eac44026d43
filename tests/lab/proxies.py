"""A real nginx in front of a Jupyter server."""

from __future__ import annotations

import shutil
import socket
import subprocess
from contextlib import contextmanager

from harness.network import free_ports
from harness.waiting import wait_until

#: Debian keeps it where only root looks.
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

_CONF = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
  access_log off;
  gzip on;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{
    default upgrade;
    '' close;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass {upstream};
      proxy_set_header Host $http_host;
      {forwarded}
    }}
  }}
}}
"""
#: As JupyterHub's documentation has it, but for what it says of buffering: the default stays, which is on.
WEBSOCKETS = """
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Scheme $scheme;
"""


@contextmanager
def nginx(folder, upstream, forwarded=WEBSOCKETS):
    """Its origin; it ends with the block."""
    folder.mkdir()
    (port,) = free_ports(1)
    conf = folder / "nginx.conf"
    conf.write_text(_CONF.format(folder=folder, port=port, upstream=upstream, forwarded=forwarded))
    running = subprocess.Popen([NGINX, "-e", str(folder / "nginx.log"), "-c", str(conf)])

    def answers():
        assert running.poll() is None, (folder / "nginx.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(answers, "nginx")
        yield f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        running.wait(20)
