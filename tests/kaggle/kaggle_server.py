"""A stand-in for Kaggle, which the real client is pointed at: it keeps versions and submissions, and fails as it is told."""

import http.server
import json
import re
import threading
from collections import defaultdict
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from starting_kit.files import write_json
from starting_kit.kaggle.client import UnreachableError
from starting_kit.kaggle.submission import KERNEL, METADATA, NOTEBOOK, UNSIGNED, metadata

ZIP = b"PK\x05\x06" + bytes(18)  # an empty archive
HTML = "<html>We are busy.</html>"
DROP = "drop"  # close the connection without doing anything
LOST = "lost"  # do it, and close the connection without an answer
LATE = "late"  # close the connection, and do it after two more questions for the version
MUTE = "mute"  # take the request, and say nothing


def write_folder(folder):
    """A notebook that would only tell its fingerprint, and its metadata."""
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": UNSIGNED, "outputs": [], "execution_count": None}
    write_json(folder / NOTEBOOK, {"cells": [cell], "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5})
    write_json(folder / METADATA, metadata("somebody", "Unlearning: tested", "NvidiaTeslaT4"))
    return folder


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers requests as a `KaggleServer` does, unless that is in trouble."""

    def __init__(self, kaggle, *arguments):
        self.kaggle = kaggle
        super().__init__(*arguments)

    def do_GET(self):
        self.reply(200, self.kaggle.written()[self.path.rpartition("/")[2]])

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        endpoint = self.path.rpartition(".")[2].rpartition("/")[2]
        self.kaggle.received[endpoint].append(body)
        trouble = self.kaggle.trouble[endpoint].pop(0) if self.kaggle.trouble[endpoint] else None
        if trouble == MUTE:
            self.kaggle.stopped.wait()
        if trouble == LATE:
            self.kaggle.postponed = [2, body]
        if trouble in (DROP, LATE, MUTE):
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
    """Keeps requests by endpoint in `received`; `trouble` holds what is to go wrong, by endpoint, in order.

    `sources` has the notebook of each version. Until the status has been asked for `lag` times, it and the output are those of
    the version before the last.
    `scores` are what submissions get.
    """

    def __init__(self):
        self.received = defaultdict(list)
        self.trouble = defaultdict(list)
        self.statuses = ["QUEUED", "RUNNING", "COMPLETE"]
        self.failure = ""
        self.sources = []
        self.lag = 0
        self.postponed = None
        self.stopped = threading.Event()
        self.scores = {"publicScore": "0.0512", "privateScore": "0.0497"}
        self.submissions = []
        self.files = {"submission.zip": ZIP}  # beside the fingerprint
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
            self.stopped.set()
            self.http.shutdown()
            self.http.server_close()

    @property
    def versions(self):
        return len(self.sources)

    @property
    def told(self):
        """The notebook of the version that status and output are about."""
        return self.sources[-2] if self.lag and self.versions > 1 else self.sources[-1]

    def written(self):
        """Files that the notebook wrote."""
        return {**self.files, "fingerprint.txt": self.fingerprint().encode()}

    def fingerprint(self):
        return (re.search(r'FINGERPRINT = \\*"(\w*)', self.told) or ["", ""])[1]

    def GetKernel(self, body):
        if self.postponed:
            self.postponed[0] -= 1
            if not self.postponed[0]:
                self.SaveKernel(self.postponed[1])
        return {"metadata": {"currentVersionNumber": self.versions}}

    def SaveKernel(self, body):
        self.sources.append(body["text"])
        return {"ref": f"/{body['slug']}", "url": "https://www.kaggle.com", "versionNumber": self.versions}

    def GetKernelSessionStatus(self, body):
        self.lag = max(0, self.lag - 1)
        if self.lag:
            return {"status": "COMPLETE"}
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"status": status, "failureMessage": self.failure}

    def ListKernelSessionOutput(self, body):
        lines = f"fingerprint: {self.fingerprint()}\n", "32 of 512 models\n"
        log = [{"stream_name": "stdout", "time": 1.0, "data": line} for line in lines]
        files = [{"url": f"http://localhost/files/{name}", "fileName": name} for name in self.written()]
        return {"files": files, "log": json.dumps(log), "nextPageToken": ""}

    def CreateCodeSubmission(self, body):
        self.submissions.insert(0, {"description": body["submissionDescription"], "status": "PENDING"})
        return {"message": "Successfully submitted to NeurIPS 2023 - Machine Unlearning", "ref": len(self.submissions)}

    def GetSubmissionLimits(self, body):
        return {"numAllowedNow": 4}

    def ListSubmissions(self, body):
        scored = {"status": "COMPLETE", **self.scores}
        listed = [
            {"ref": i, "fileName": "submission.zip", "date": "2026-11-22T00:00:00Z", **s}
            for i, s in enumerate(self.submissions)
        ]
        for submission in self.submissions:
            submission.update(scored)  # the next question finds it scored
        return {"submissions": listed}

    def IntrospectToken(self, body):
        return {}


class QuickClient:
    """Asks a `KaggleServer` without a network, and prints what the real client prints, which takes seconds."""

    def __init__(self, kaggle):
        self.kaggle = kaggle

    def __call__(self, command, seconds=None):
        if command[1] == "-c":
            return f"version {self.ask('GetKernel')['metadata']['currentVersionNumber']}"
        return getattr(self, "_".join(command[1:3]))(*command[3:])

    def ask(self, endpoint, **body):
        kaggle = self.kaggle
        kaggle.received[endpoint].append(body)
        trouble = kaggle.trouble[endpoint].pop(0) if kaggle.trouble[endpoint] else None
        if trouble == LATE:
            kaggle.postponed = [2, body]
        if trouble in (DROP, LATE, MUTE):
            raise UnreachableError("Kaggle cannot be reached; go on with --resume.")
        answer = getattr(kaggle, endpoint)(body)
        if trouble == LOST:
            raise UnreachableError("Kaggle cannot be reached; go on with --resume.")
        return answer

    def kernels_push(self, _, folder):
        text = json.dumps(json.loads(next(Path(folder).glob("*.ipynb")).read_text()))
        return f"Kernel version {self.ask('SaveKernel', slug='slug', text=text)['versionNumber']} successfully pushed."

    def kernels_status(self, kernel):
        answer = self.ask("GetKernelSessionStatus")
        failure = f'\nFailure message: "{answer["failureMessage"]}"' if answer.get("failureMessage") else ""
        return f'{kernel} has status "KernelWorkerStatus.{answer["status"]}"{failure}'

    def kernels_output(self, kernel, _, folder, __):
        written = self.kaggle.written()
        answer = self.ask("ListKernelSessionOutput")
        for name, content in written.items():
            Path(folder, name).write_bytes(content)
        Path(folder, f"{kernel.split('/')[1]}.log").write_text(answer["log"])
        return ""

    def competitions_submit(self, competition, *options):
        values = dict(zip(options[::2], options[1::2], strict=True))
        names = {"kernelVersion": int(values["-v"]), "fileName": values["-f"], "submissionDescription": values["-m"]}
        return self.ask("CreateCodeSubmission", **names)["message"]

    def competitions_submissions(self, competition, _):
        columns = ("ref", "fileName", "date", "description", "status", "publicScore", "privateScore")
        listed = self.ask("ListSubmissions")["submissions"]
        return "\n".join([",".join(columns), *(",".join(str(entry.get(name, "")) for name in columns) for entry in listed)])
