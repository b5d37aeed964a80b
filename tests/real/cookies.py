# A WSGI application that says which cookies it was sent, and counts the visits of a session. Its first line is its address.
import http.cookies
import json
import uuid
from wsgiref.simple_server import WSGIRequestHandler, make_server

visits = {}


def application(environ, start_response):
    if environ["PATH_INFO"] != "/wsgi":
        # a browser looks for icons
        start_response("404 Not Found", [("Content-Length", "0")])
        return []
    line = environ.get("HTTP_COOKIE", "")
    cookies = http.cookies.SimpleCookie(line)
    known = cookies["sid"].value if "sid" in cookies else None
    session = known if known in visits else uuid.uuid4().hex
    visits[session] = visits.get(session, 0) + 1
    set_cookies = [("Set-Cookie", f"{pair}; Path=/") for pair in (f"sid={session}", "colour=blue", "size=small")]
    start_response("200 OK", [("Content-Type", "application/json"), *set_cookies])
    return [json.dumps({"n": visits[session], "line": line, "cookies": sorted(cookies)}).encode()]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server("127.0.0.1", 0, application, handler_class=Quiet)
print("127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
