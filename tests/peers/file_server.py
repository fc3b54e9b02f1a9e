"""A web server for logs and firmware: GET gives the files of a folder, PUT keeps what comes there, unpacked.

usage: file_server.py PORT FOLDER

Prints `READY`, then the name of each file that was put.
"""

import gzip
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT, FOLDER = int(sys.argv[1]), Path(sys.argv[2])


class Files(BaseHTTPRequestHandler):
    def do_GET(self):
        file = FOLDER / Path(self.path).name
        self.send_response(200 if file.exists() else 404)
        content = file.read_bytes() if file.exists() else b""
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_PUT(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        name = Path(self.path).name
        (FOLDER / name).write_bytes(gzip.decompress(content))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()
        print(name, flush=True)

    def log_message(self, *_):
        pass


with ThreadingHTTPServer(("127.0.0.1", PORT), Files) as server:
    print("READY", flush=True)
    server.serve_forever()
