"""A newcomer follows the README of the service with a guard."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import servers

pytestmark = pytest.mark.slow("starts a server and follows a README")
EXAMPLE = servers.ROOT / "examples" / "guarded"


def test_the_commands_of_the_readme_work_as_they_stand_there(tmp_path):
    commands = "\n".join(re.findall(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL))
    port = servers.free_port()
    # A checkout is where the commands are typed; this one is read from a folder of the test's own.
    for name in ("examples", "guard"):
        (tmp_path / name).symlink_to(servers.ROOT / name)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "latchkey").symlink_to(servers.LATCHKEY)
    instance = tmp_path / "instance"
    # On a busy machine what waits for a second may need more of them.
    commands = commands.replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace("sleep 1\n", "sleep 4\n")
    commands = commands.replace("sleep 2\n", f"until curl -sf http://127.0.0.1:{port}/health; do sleep 0.1; done\n")
    with servers.latchkey(instance, forked=True) as server:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("LATCHKEY_")}
        environment |= {"LATCHKEY_INSTANCE": str(instance), "PORTAL": server.url, "PORT": str(port)}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        told = subprocess.run(
            ["bash", "-euc", commands],
            check=False,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
        )

    assert told.returncode == 0, told.stderr
    assert re.findall(r"^(\d{3})$", told.stdout, re.MULTILINE) == ["401", "401"]
    assert '{"for": "ada@example.com", "sky": "clear"}' in told.stdout
