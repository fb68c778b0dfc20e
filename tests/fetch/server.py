"""What laminar fetch talks to in tests: a wiki, a model hub, its storage host, and servers that misbehave.

    python3 server.py FOLDER MODELS

Writes FOLDER/ports ("MAIN STORAGE TLS") once it listens on its ports of loopback (TLS: where FOLDER/tls.pem holds a key
and its certificate, else 0), and FOLDER/requests: one line a request, "main|storage|tls PATH Range=... If-Range=... Authorization=... User-Agent=...". MODELS/OWNER/NAME are checkpoint folders.
It ends when its standard input does.
"""
import bz2
import gzip
import hashlib
import json
import os
import re
import socket
import ssl
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

folder, models = sys.argv[1], sys.argv[2]
lock = threading.Lock()
counts = {}
ports = {}
COMMIT = hashlib.sha1(b"the only commit").hexdigest()


def count(key):
    """How often this was asked for before."""
    with lock:
        counts[key] = counts.get(key, 0) + 1
        return counts[key] - 1


def text_of(path, size):
    """Lines that differ from path to path and from place to place."""
    out, i = bytearray(), 0
    while len(out) < size:
        out += f"{path}, line {i}: {hashlib.sha256(f'{path}{i}'.encode()).hexdigest()}\n".encode()
        i += 1
    return bytes(out[:size])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *arguments):
        pass

    def note(self):
        heads = " ".join(f"{h}={self.headers.get(h, '')}" for h in ("Range", "If-Range", "Authorization", "User-Agent"))
        with lock, open(os.path.join(folder, "requests"), "a") as out:
            out.write(f"{self.server.role} {self.path} {heads}\n")

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("Content_Length", len(body))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def cut(self):
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def serve(self, body, kind="text/plain; charset=utf-8", cut=None, tag=None, ranges=True, drip=0, **headers):
        """A file with its ETag and ranges; cut: the connection ends after that many bytes."""
        tag = tag or '"%s"' % hashlib.md5(body).hexdigest()
        first, status = 0, 200
        asked, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if asked and ranges and condition in (None, tag):
            first, status = int(asked[len("bytes="):-1]), 206
        if first >= len(body) > 0:
            return self.reply(416, Content_Range=f"bytes */{len(body)}")
        self.send_response(status)
        self.send_header("ETag", tag)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) - first))
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        rest = body[first:]
        if drip:
            for byte in rest:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(drip)
        elif cut is not None and cut < len(rest):
            self.wfile.write(rest[:cut])
            self.cut()
        else:
            self.wfile.write(rest)

    def do_GET(self):
        self.note()
        url = urlsplit(self.path)
        try:
            if url.scheme:  # as a proxy
                return self.serve(b"by the proxy, " + self.path.encode())
            if self.server.role == "storage":
                return self.storage(url)
            parts = url.path.strip("/").split("/")
            if parts[0] == "api":
                return self.hub_index(parts)
            if "resolve" in parts:
                return self.hub_file(parts)
            query = {k: v[0] for k, v in parse_qs(url.query, keep_blank_values=True).items()}
            handler = getattr(self, parts[0], None)
            if not handler or parts[0].startswith("_"):
                return self.reply(404, b"<html>no</html>", Content_Type="text/html")
            handler(parts, query)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # --- texts: /KIND/ARGUMENT/NAME.txt?bytes=N

    def text(self, parts, query):
        self.serve(text_of(self.path, int(query.get("bytes", 1000))))

    def cache(self, parts, query):  # /cache/epub/NUMBER/NAME.txt: Gutenberg's way; a story
        with open(os.path.join(os.path.dirname(__file__), "../../jobs/demo/story.txt"), "rb") as story:
            self.serve(story.read())

    # /dump/NAME.xml.bz2: a small one; of NAME-multistream.xml.bz2 each page is a stream;
    # NAME-multistream-index.txt.bz2: their index, of wrong-... a byte off
    def dump(self, parts, query):
        with open(os.path.join(os.path.dirname(__file__), "../golden/dump.xml"), "rb") as dump:
            xml = dump.read()
        body, index = bz2.compress(xml), b""
        if "multistream" in parts[1]:
            head, *pages = xml.split(b"<page>")
            *pages, last = [b"<page>" + page for page in pages]
            end = last.index(b"</page>") + len(b"</page>")
            body = bz2.compress(head)
            for page in [*pages, last[:end]]:
                number = page.split(b"<id>")[1].split(b"</id>")[0]
                index += b"%d:%s:a title\n" % (len(body) + parts[1].startswith("wrong"), number)
                body += bz2.compress(page)
            body += bz2.compress(last[end:])
        self.serve(bz2.compress(index) if "-index" in parts[1] else body, kind="application/octet-stream")

    def latin(self, parts, query):  # not UTF-8
        self.serve(b"caf\xe9\n", kind="text/plain; charset=iso-8859-1")

    def together(self, parts, query):  # notes how many of these are answered at the same time
        for step in 1, -1:
            with lock:
                counts["together"] = counts.get("together", 0) + step
                with open(os.path.join(folder, "together"), "a") as out:
                    out.write(f"{counts['together']}\n")
            if step == 1:
                time.sleep(0.2)
        self.text(parts, query)

    def slow(self, parts, query):
        time.sleep(float(parts[1]))
        self.text(parts, query)

    def cutat(self, parts, query):  # each answer ends after so many bytes
        self.serve(text_of(self.path, int(query.get("bytes", 1000))), cut=int(parts[1]))

    def once(self, parts, query):  # the first answer ends after so many bytes
        self.serve(text_of(self.path, int(query.get("bytes", 1000))), cut=None if count(self.path) else int(parts[1]))

    def weak(self, parts, query):  # cut once, with a tag that does not vouch for bytes
        self.serve(text_of(self.path, 1000), cut=None if count(self.path) else 500, tag='W/"1"')

    def dated(self, parts, query):  # cut once, with a date in the place of a tag
        body, date = text_of(self.path, 1000), formatdate(1e9, usegmt=True)
        if self.headers.get("Range") and self.headers.get("If-Range") == date:
            first = int(self.headers["Range"][len("bytes="):-1])
            return self.reply(206, body[first:], Content_Type="text/plain", Last_Modified=date,
                              Content_Range=f"bytes {first}-999/1000")
        self.send_response(200)
        for name, value in (("Content-Type", "text/plain"), ("Last-Modified", date), ("Content-Length", "1000")):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:300])
        self.cut()

    def changed(self, parts, query):  # cut once, and other bytes from then on
        turn = min(count(self.path), 1)
        self.serve(text_of(self.path + str(turn), 1000), cut=None if turn else 500)

    def liar(self, parts, query):  # the second answer is of another range than was asked for
        if count(self.path) == 1:
            return self.reply(206, b"x" * 900, Content_Type="text/plain", Content_Range="bytes 100-999/1000")
        self.serve(text_of(self.path, 1000), cut=500 if counts[self.path] == 1 else None)

    def drip(self, parts, query):
        self.serve(text_of(self.path, 100000), drip=0.05)

    def busy(self, parts, query):  # /busy/TIMES/STATUS/SECONDS/NAME
        if count(self.path) < int(parts[1]):
            after = parts[3] if parts[3] != "date" else formatdate(time.time() + 2, usegmt=True)
            return self.reply(int(parts[2]), b"busy", Retry_After=after)
        self.serve(text_of(self.path, 1000))

    def broken(self, parts, query):
        self.reply(int(parts[1]), b"<html>broken</html>", Content_Type="text/html")

    def claims(self, parts, query):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(10 << 30))
        self.end_headers()
        self.wfile.write(b"x" * 1000)
        self.cut()

    def endless(self, parts, query):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            self.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    def missinglast(self, parts, query):  # its length is never reached
        self.send_response(200 if not self.headers.get("Range") else 206)
        self.send_header("Content-Type", "text/plain")
        self.send_header("ETag", '"m"')
        first = int((self.headers.get("Range") or "bytes=0-")[len("bytes="):-1])
        self.send_header("Content-Length", str(1000 - first))
        if first:
            self.send_header("Content-Range", f"bytes {first}-999/1000")
        self.end_headers()
        self.wfile.write(text_of(self.path, 900)[first:])
        self.cut()

    def empty(self, parts, query):
        self.reply(200, b"", Content_Type="text/plain")

    def page(self, parts, query):
        self.serve(b"<html><body>log in first</body></html>", kind="text/html")

    def kind(self, parts, query):
        self.serve(b"\x00\x01", kind="application/octet-stream")

    def to(self, parts, query):  # a redirect: to=file | loop | storage | relative | nowhere | user
        targets = {"file": "file:///etc/passwd", "loop": self.path, "relative": "../../text/relative.txt",
                   "storage": f"http://127.0.0.1:{ports['storage']}/text/elsewhere.txt", "ftp": "ftp://127.0.0.1/x.txt",
                   "plain": f"http://127.0.0.1:{ports['main']}/text/plain.txt", "user": f"http://me:secret@127.0.0.1:{ports['storage']}/text/elsewhere.txt"}
        headers = {"Location": targets[parts[1]]} if parts[1] in targets else {}
        self.reply(302, b"elsewhere", **headers)

    # --- the wiki

    def w(self, parts, query):
        if parts[1] == "index.php":
            body = (f"<html><body class='mw-body-content'><p>Revision {query['oldid']} of {query['title']}.</p>"
                    + text_of(self.path, 2000).decode() + "<h2 id=\"References\">References</h2></body></html>").encode()
            if query["title"] == "Slow":
                time.sleep(0.2)
            if "gzip" in self.headers.get("Accept-Encoding", ""):
                return self.reply(200, gzip.compress(body), Content_Type="text/html; charset=UTF-8", Content_Encoding="gzip",
                                  ETag='W/"1"')
            return self.reply(200, body, Content_Type="text/html; charset=UTF-8")
        if "revids" in query:
            number = int(query["revids"])
            page = {"pageid": 1, "ns": 0, "title": "Light-emitting diode", "lastrevid": 77}
            answer = {"batchcomplete": True, "query": {"pages": [page]} if number < 1000 else {"badrevids": {"1": {"revid": number}}}}
            return self.json(answer)
        titles = query["titles"].split("|")
        if "Captive" in titles:
            return self.reply(200, b"<html>log in first</html>", Content_Type="text/html")
        if "Overloaded" in titles and count("overloaded") == 0:
            return self.reply(429, b"slow down", Retry_After=1)
        known = {"LED": "Light-emitting diode", "Led lamp": "LED"}
        normalized, redirects, pages = [], [], []
        for title in titles:
            name = title.replace("_", " ")
            name = name[:1].upper() + name[1:]
            if name != title:
                normalized.append({"fromencoded": False, "from": title, "to": name})
            while name in known:
                redirects.append({"from": name, "to": known[name]})
                name = known[name]
            page = {"ns": 0, "title": name}
            page.update({"missing": True} if name.startswith("No such") else
                        {"pageid": 5, "lastrevid": 1 + int(hashlib.md5(name.encode()).hexdigest()[:6], 16)})
            if page not in pages:
                pages.append(page)
        self.json({"batchcomplete": True, "query": {"normalized": normalized, "redirects": redirects, "pages": pages}})

    def json(self, value, status=200):
        self.reply(status, json.dumps(value).encode(), Content_Type="application/json; charset=utf-8")

    # --- the hub: OWNER is how it behaves

    def hub_index(self, parts):
        owner, name, revision = parts[2], parts[3], unquote(parts[5])
        if owner == "gated" and self.headers.get("Authorization") != "Bearer the-token":
            return self.json({"error": "gated"}, 401)
        if owner == "moved":
            return self.reply(307, Location=f"/api/models/good/{name}/revision/{revision}?blobs=true")
        if owner == "captive":
            return self.reply(200, b"<html>log in first</html>", Content_Type="text/html")
        pinned = re.fullmatch("[0-9a-f]{40}", revision)
        if not os.path.isdir(f"{models}/{name}") or not pinned and revision not in ("main", "refs/pr/1"):
            return self.json({"error": "not found"}, 404)
        files = []
        for file in sorted(os.listdir(f"{models}/{name}")):
            data = open(f"{models}/{name}/{file}", "rb").read()
            entry = {"rfilename": file, "size": len(data)}
            if file.endswith(".safetensors"):
                entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            else:
                entry["blobId"] = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            if owner == "plain":  # an older hub, that says nothing of the bytes
                entry = {"rfilename": file}
            if owner == "huge" and file.endswith(".safetensors"):
                entry["lfs"]["size"] = entry["size"] = 100 << 30
            files.append(entry)
        if owner == "pickled":
            files = [f for f in files if not f["rfilename"].endswith(".safetensors")] + [{"rfilename": "pytorch_model.bin"}]
        if owner == "hostile":
            files = [f for f in files if not f["rfilename"].endswith(".safetensors")]
            files += [{"rfilename": "../../../../escaped.safetensors"}, {"rfilename": "/tmp/escaped"},
                      {"rfilename": "model.safetensors.index.json"}]
        commit = "../../escaped" if owner == "commit" else revision if pinned else COMMIT
        self.json({"id": f"{owner}/{name}", "sha": commit, "siblings": files})

    def hub_file(self, parts):
        owner, name, file = parts[0], parts[1], parts[4]
        if owner == "gated" and self.headers.get("Authorization") != "Bearer the-token":
            return self.json({"error": "gated"}, 401)
        if owner == "hostile" and file == "model.safetensors.index.json":
            return self.serve(json.dumps({"weight_map": {"a": "../../../../escaped.safetensors"}}).encode())
        if owner == "moved":
            return self.reply(307, Location="/" + "/".join(["good"] + parts[1:]))
        data = open(f"{models}/{name}/{file}", "rb").read()
        if not file.endswith(".safetensors"):
            if owner == "damagedsmall" and file == "vocab.json":
                data = data[:-1] + b" "
            return self.serve(data)
        sha256 = hashlib.sha256(data).hexdigest()
        self.reply(302, Location=f"http://127.0.0.1:{ports['storage']}/blob/{owner}/{name}/{file}?Signature=secret",
                   X_Linked_Size=len(data), X_Linked_ETag=f'"{sha256}"', X_Repo_Commit=COMMIT)

    def storage(self, url):
        parts = url.path.strip("/").split("/")
        if parts[0] == "text":
            return self.serve(text_of(self.path, 1000))
        _, owner, name, file = parts
        data = open(f"{models}/{name}/{file}", "rb").read()
        if owner in ("damaged", "plain-damaged") or (owner == "plain" and name == "damaged"):
            data = data[:1000] + bytes([data[1000] ^ 1]) + data[1001:]
        if owner == "longer":
            data += b"more"
        if owner == "flaky":
            return self.serve(data, cut=len(data) // 10 + 1)
        self.serve(data)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, role):
        self.role = role
        super().__init__(("127.0.0.1", 0), Handler)
        ports[role] = self.server_port

    def handle_error(self, request, client_address):
        pass


class SecureServer(Server):
    def get_request(self):
        connection, address = super().get_request()
        return tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address


ports["tls"] = 0
servers = [Server("main"), Server("storage")]
if os.path.exists(f"{folder}/tls.pem"):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(f"{folder}/tls.pem")
    servers.append(SecureServer("tls"))
for server in servers:
    threading.Thread(target=server.serve_forever, daemon=True).start()
with open(os.path.join(folder, "ports.new"), "w") as out:
    out.write(f"{ports['main']} {ports['storage']} {ports['tls']}\n")
os.rename(os.path.join(folder, "ports.new"), os.path.join(folder, "ports"))
sys.stdin.read()
