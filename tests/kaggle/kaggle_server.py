"""A stand-in for Kaggle, which the real client is pointed at: it keeps versions and submissions, and fails as it is told."""

import http.server
import json
import threading
from collections import defaultdict
from contextlib import contextmanager
from functools import partial

ZIP = b"PK\x05\x06" + bytes(18)  # an empty archive
HTML = "<html>We are busy.</html>"
DROP = "drop"  # close the connection without doing anything
LOST = "lost"  # do it, and close the connection without an answer


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers requests as a `KaggleServer` does, unless that is in trouble."""

    def __init__(self, kaggle, *arguments):
        self.kaggle = kaggle
        super().__init__(*arguments)

    def do_GET(self):
        self.reply(200, self.kaggle.files[self.path.rpartition("/")[2]])

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        endpoint = self.path.rpartition(".")[2].rpartition("/")[2]
        self.kaggle.received[endpoint].append(body)
        trouble = self.kaggle.trouble[endpoint].pop(0) if self.kaggle.trouble[endpoint] else None
        if trouble == DROP:
            return self.connection.close()
        if isinstance(trouble, tuple):
            code, message = trouble
            return self.reply(code, json.dumps({"code": code, "message": message}).encode())
        if trouble == HTML:
            return self.reply(200, HTML.encode(), "text/html")
        answer = trouble if isinstance(trouble, dict) else getattr(self.kaggle, endpoint)(body)
        if trouble == LOST:
            return self.connection.close()
        return self.reply(200, json.dumps(answer).encode())

    def reply(self, code, content, kind="application/json"):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


class KaggleServer:
    """Keeps requests by endpoint in `received`; `trouble` holds what is to go wrong, by endpoint, in order."""

    def __init__(self):
        self.received = defaultdict(list)
        self.trouble = defaultdict(list)
        self.statuses = ["QUEUED", "RUNNING", "COMPLETE"]
        self.failure = ""
        self.versions = 0
        self.submissions = []
        self.files = {"submission.zip": ZIP}
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, self))
        self.port = self.http.server_address[1]

    def environment(self, home):
        """Points the client here, with credentials."""
        return {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "http_proxy": f"http://127.0.0.1:{self.port}",
            "NO_PROXY": "",
            "no_proxy": "",
            "KAGGLE_USERNAME": "somebody",
            "KAGGLE_KEY": "key",
            "HOME": str(home),
        }

    @contextmanager
    def running(self):
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        try:
            yield self
        finally:
            self.http.shutdown()
            self.http.server_close()

    def GetKernel(self, body):
        return {"metadata": {"currentVersionNumber": self.versions}}

    def SaveKernel(self, body):
        self.versions += 1
        return {"ref": f"/{body['slug']}", "url": "https://www.kaggle.com", "versionNumber": self.versions}

    def GetKernelSessionStatus(self, body):
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"status": status, "failureMessage": self.failure}

    def ListKernelSessionOutput(self, body):
        log = [{"stream_name": "stdout", "time": 1.0, "data": "32 of 512 models\n"}]
        files = [{"url": f"http://localhost/files/{name}", "fileName": name} for name in self.files]
        return {"files": files, "log": json.dumps(log), "nextPageToken": ""}

    def CreateCodeSubmission(self, body):
        self.submissions.insert(0, {"description": body["submissionDescription"], "status": "PENDING"})
        return {"message": "Successfully submitted to NeurIPS 2023 - Machine Unlearning", "ref": len(self.submissions)}

    def GetSubmissionLimits(self, body):
        return {"numAllowedNow": 4}

    def ListSubmissions(self, body):
        scored = {"status": "COMPLETE", "publicScore": "0.0512", "privateScore": "0.0497"}
        listed = [
            {"ref": i, "fileName": "submission.zip", "date": "2026-11-22T00:00:00Z", **s}
            for i, s in enumerate(self.submissions)
        ]
        for submission in self.submissions:
            submission.update(scored)  # the next question finds it scored
        return {"submissions": listed}

    def IntrospectToken(self, body):
        return {}
