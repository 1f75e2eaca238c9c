"""An S3-compatible server on a free port of this machine, which it prints; it keeps everything in memory.

One request at a time: the server checks a condition and writes in two steps, and two requests at once could both pass.
"""

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
print(server.server_port, flush=True)
server.serve_forever()
