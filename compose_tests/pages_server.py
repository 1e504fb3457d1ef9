"""Pages for the compose test: /<n> is an article, any n."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TEXT = """A chain of clinics left the records of {n} patients on a server that asked nobody for a password, a security
researcher said on Wednesday. The exposed records held names, dates of birth and telephone numbers.</p><p>The company
closed the server within a day, and said that it was writing to everyone whose personal data had been exposed. The
data protection authority has opened an inquiry into the data breach and can impose a fine."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        n = self.path.strip("/")
        title = f"Clinic chain exposed {n} patient records"
        article = f"<article><h1>{title}</h1><p>{TEXT.format(n=n)}</p></article>"
        body = f"<html><head><title>{title}</title></head><body>{article}</body></html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(body.encode())


ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
