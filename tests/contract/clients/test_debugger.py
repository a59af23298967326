"""Breakpoints hit through the debug protocol, at a notebook cell and in a module beside it."""

import contextlib

from tests.helpers.harness import running, write_notebook


class Debugger:
    """Speaks the debug adapter protocol on the control channel, as JupyterLab does.
    https://jupyter-client.readthedocs.io/en/stable/messaging.html#debug-request"""

    def __init__(self, kernel):
        self.client = kernel.client
        self.number = 0

    async def ask(self, command, **arguments):
        self.number += 1
        content = {
            "type": "request",
            "command": command,
            "seq": self.number,
            "arguments": arguments,
        }
        message = self.client.session.msg("debug_request", content)
        self.client.control_channel.send(message)
        while True:
            reply = await self.client.control_channel.get_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return reply["content"]

    async def attach(self):
        await self.ask("initialize", clientID="t", adapterID="", pathFormat="path")
        assert (await self.ask("attach"))["success"]

    async def stop_at(self, path, line):
        said = await self.ask(
            "setBreakpoints",
            breakpoints=[{"line": line}],
            source={"path": path},
            sourceModified=False,
        )
        assert said["body"]["breakpoints"][0]["verified"], said
        assert (await self.ask("configurationDone"))["success"]

    async def stopped(self):
        """The thread that stopped, and where."""
        while True:
            event = await self.client.iopub_channel.get_msg(timeout=30)
            if event["msg_type"] == "debug_event" and event["content"]["event"] == "stopped":
                thread = event["content"]["body"]["threadId"]
                trace = await self.ask("stackTrace", threadId=thread)
                frame = trace["body"]["stackFrames"][0]
                return thread, frame["source"]["path"], frame["line"]


@contextlib.asynccontextmanager
async def debugging(engine, image, folder):
    (folder / "mine.py").write_text("def double(x):\n    y = x + x\n    return y\n")
    path = write_notebook(folder / "n.ipynb", {"image": image, "engine": engine})
    async with running(path) as kernel:
        debugger = Debugger(kernel)
        await debugger.attach()
        yield debugger


async def finish(debugger, thread, message):
    assert (await debugger.ask("continue", threadId=thread))["success"]
    while True:
        reply = await debugger.client.shell_channel.get_msg(timeout=30)
        if reply["parent_header"].get("msg_id") == message:
            assert reply["content"]["status"] == "ok"
            return


async def test_a_breakpoint_in_a_cell_hits(engine, image, folder):
    async with debugging(engine, image, folder) as debugger:
        code = "a = 1\nb = a + 1\nc = b + 1\n"
        dumped = (await debugger.ask("dumpCell", code=code))["body"]["sourcePath"]
        await debugger.stop_at(dumped, 2)
        message = debugger.client.execute(code)
        thread, path, line = await debugger.stopped()
        assert (path, line) == (dumped, 2)
        await finish(debugger, thread, message)


async def test_a_breakpoint_in_a_module_of_the_folder_hits(engine, image, folder):
    async with debugging(engine, image, folder) as debugger:
        source = str(folder / "mine.py")
        await debugger.stop_at(source, 2)
        message = debugger.client.execute("import mine; mine.double(21)")
        thread, path, line = await debugger.stopped()
        assert (path, line) == (source, 2)
        scopes = await debugger.ask("stackTrace", threadId=thread)
        frame = scopes["body"]["stackFrames"][0]["id"]
        value = await debugger.ask("evaluate", expression="x", frameId=frame)
        assert value["body"]["result"] == "21"
        await finish(debugger, thread, message)
