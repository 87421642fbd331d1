"""Whatever a server logs is one line of JSON."""

import json
import subprocess
import sys

PROGRAM = """
import json, logging, sys, threading
from latchkey import settings
from web.layer import request_log
settings.use(settings.load({}, instance=sys.argv[1], mode="development"))
request_log.take_over()
try:
    [].pop()
except IndexError:
    logging.getLogger("latchkey.worker.tasks").exception("background work failed: %s", "usage")
thread = threading.Thread(target=lambda: {}["what"], name="doomed")
thread.start()
thread.join()
logging.getLogger("latchkey.web").error("%s", json.dumps({"level": "error", "request_id": "r"}))
logging.getLogger("anything").info("nobody needs this")
"""


def test_faults_are_one_line_each_with_the_traceback_inside(instance):
    # In a process of its own: a test run has handlers of its own.
    run = subprocess.run([sys.executable, "-c", PROGRAM, str(instance)], capture_output=True, text=True, check=True)

    failed, doomed, known = (json.loads(line) for line in run.stderr.splitlines())

    assert (failed["level"], failed["message"]) == ("error", "background work failed: usage")
    assert failed["fault"][0] == "builtins.IndexError: pop from empty list"
    assert "[].pop()" in failed["fault"][1] or "line 8" in failed["fault"][1]
    assert (doomed["level"], doomed["message"]) == ("critical", "a thread ended: doomed")
    assert known == {"level": "error", "request_id": "r"}
