"""A headless Chromium, spoken to over a pipe in its DevTools protocol (<https://chromedevtools.github.io/devtools-protocol/>)."""

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import time

PATH = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_WAIT = 30.0  # seconds for an answer; a page takes about one


def _pipe():
    """The ends of a pipe, with numbers that are neither 3 nor 4."""
    low = os.pipe()
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low]
    for end in low:
        os.close(end)
    return ends


class Browser:
    """A running browser; `close` ends it. Its network is a proxy that is not there."""

    def __init__(self, folder):
        theirs_in, ours_out = _pipe()
        ours_in, theirs_out = _pipe()
        command = [
            PATH, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--remote-debugging-pipe", f"--user-data-dir={folder}", "--proxy-server=127.0.0.1:9",
        ]  # fmt: skip
        redirected = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'  # the protocol's pipes are files 3 and 4
        self._process = subprocess.Popen(
            ["bash", "-c", redirected, "bash", *command],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._in, self._out, self._rest, self._count, self.events = ours_in, ours_out, b"", 0, []

    def call(self, method, session=None, **params):
        """The answer to a call; what happens meanwhile is added to `events`."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + _WAIT
        while True:
            answer = self._message(until)
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self.events.append(answer)

    def wait(self, method, session):
        """Until an event of that name."""
        until = time.monotonic() + _WAIT
        while not any(event["method"] == method and event.get("sessionId") == session for event in self.events):
            self.events.append(self._message(until))

    def _message(self, until):
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, until - time.monotonic()))
            assert ready, "the browser does not answer"
            more = os.read(self._in, 1 << 16)
            assert more, "the browser has ended"
            self._rest += more
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def close(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._in)
        os.close(self._out)


class Page:
    """A page of a browser.

    Args:
        browser: the browser.
        url: what it shows.
        width: of its window, in pixels.
        dark: whether the user prefers dark colours.
        still: whether the user prefers reduced motion.
    """

    def __init__(self, browser, url, *, width=1280, dark=False, still=False):
        self.browser = browser
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for part in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{part}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=1600, deviceScaleFactor=1, mobile=False)
        wanted = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce" if still else "",
        }
        features = [{"name": name, "value": value} for name, value in wanted.items()]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=url)
        browser.wait("Page.loadEventFired", self._session)

    def call(self, method, **params):
        return self.browser.call(method, self._session, **params)

    def run(self, script):
        """What the body of an async function returns."""
        made = f"(async () => {{ {script} }})()"
        answer = self.call("Runtime.evaluate", expression=made, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def mouse(self, kind, x, y, **more):
        """A real movement, press or release of the mouse, in pixels of the window."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def troubles(self):
        """Errors, warnings and requests so far, but for the page itself."""
        found = []
        for event in self.browser.events:
            about = event.get("params", {})
            if event.get("sessionId") != self._session:
                continue
            if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"):
                found.append(about.get("exceptionDetails") or about.get("entry") or about.get("args"))
            if event["method"] == "Network.requestWillBeSent" and about.get("type") != "Document":
                found.append(about["request"]["url"])
        return found

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self._target)
