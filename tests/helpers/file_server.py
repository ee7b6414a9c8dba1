"""A server of our own on this machine that files are fetched from."""

import contextlib
import http.server
import io
import threading
import zipfile


def zipped(members):
    """A zip file of these contents by name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Serves `body` at every path but /missing, with `headers`; counts requests."""

    def __init__(self, body):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = body
        self.headers, self.requests = {}, 0

    def url(self, name="iodine_checkpoints.zip"):
        """The address of a file."""
        return f"http://127.0.0.1:{self.server_port}/released/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests += 1
        if self.path.endswith("missing"):
            self.send_error(404)
            return
        self.send_response(200)
        for name, value in {
            "Content-Length": str(len(self.server.body)),
            **self.server.headers,
        }.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(body):
    """A running `Server`."""
    with Server(body) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()
