"""Agents as the two official MCP SDKs make them, which are told what to do and say what came of it."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import programs

REDIRECT = "http://127.0.0.1:33418/callback"
SCRIPT = Path(__file__).parent / "agent.mjs"
# Where a person who is asked to agree is led.
Agree = Callable[[str], str]


class Python:
    """The SDK of Python, here."""

    agree: Agree | None = None

    def __init__(self, _folder: Path) -> None:
        pass

    def do(self, **task: Any) -> dict[str, Any]:
        # Half as much is loaded by it as by all that is tested.
        from tests.flows import agent

        return asyncio.run(agent.carried_out(task, self.agree))

    def close(self) -> None:
        """Nothing is left."""


class TypeScript:
    """The SDK of TypeScript, in one process of Node for all that is to be done."""

    agree: Agree | None = None

    def __init__(self, folder: Path) -> None:
        (folder / "node_modules").symlink_to(programs.node_modules())
        (folder / SCRIPT.name).write_text(SCRIPT.read_text())
        self.said = (folder / "stderr").open("w+")
        command = [str(programs.node()), SCRIPT.name]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.said, "text": True}
        self.process = subprocess.Popen(command, cwd=folder, **pipes)

    def do(self, **task: Any) -> dict[str, Any]:
        self._say(task | {"redirect": REDIRECT})
        while "authorize" in (heard := self._hear()):
            self._say({"led": self.agree(heard["authorize"])})
        return heard

    def _say(self, said: dict[str, Any]) -> None:
        self.process.stdin.write(json.dumps(said) + "\n")
        self.process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            self.said.seek(0)
            raise RuntimeError(f"the agent ended:\n{self.said.read()}")
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.said.close()
