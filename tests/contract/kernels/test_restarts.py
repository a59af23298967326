"""Restarts, and the settings that they read again."""

from tests.helpers.harness import Kernel, approve, containers, running


async def test_a_restart_is_in_the_same_container_and_clears_it(notebook, engine_program):
    code = (
        "turn = 1; import subprocess, time\n"
        "started = subprocess.Popen(['sleep', '4242'])\n"
        # Popen returns in the middle of execve(2), before there is a command line.
        "while '4242' not in open(f'/proc/{started.pid}/cmdline').read(): time.sleep(0.01)"
    )
    commands = (
        "[open(f'/proc/{p}/cmdline').read() for p in __import__('os').listdir('/proc')"
        " if p.isdigit()]"
    )
    async with running(notebook()) as kernel:
        names = containers(engine_program)
        for _ in range(2):
            await kernel.run(code)
            assert "4242" in await kernel.value(commands)
            await kernel.restart()
            done = await kernel.run("turn")
            assert done["error"].startswith("NameError")
            assert "4242" not in await kernel.value(commands)
        assert containers(engine_program) == names


async def test_a_changed_setting_means_a_new_container_at_restart(notebook, shown):
    async with running(notebook()) as kernel:
        await kernel.run("open('/tmp/mark', 'w')")
        path = notebook(env={"NEW": "1"})
        approve(path)
        await kernel.restart()
        assert await kernel.value("__import__('os').environ['NEW']") == "1"
        if not shown:
            assert await kernel.value("__import__('os').path.exists('/tmp/mark')") == "False"


async def test_a_cell_that_rewrites_its_settings_is_refused_at_restart(
    notebook, folder, engine_program
):
    outside = folder.parent / "outside"
    outside.mkdir()
    async with running(notebook()) as kernel:
        await kernel.run(
            "import json\nn = json.load(open('n.ipynb'))\n"
            f"n['metadata']['jupyter_containers']['mounts'] = [{{'source': {str(outside)!r},"
            " 'target': '/stolen', 'writable': True}]\njson.dump(n, open('n.ipynb', 'w'))"
        )
        await kernel.restart()
        done = await kernel.run("1+1")
        assert done["error"].startswith("ContainerNotStarted")
        assert "/stolen" in done["error"]
        assert "approve" in done["error"].lower()
        assert containers(engine_program) == []


async def test_unapproved_settings_start_no_container(notebook, engine_program):
    kernel = Kernel(notebook())
    try:
        await kernel.start()
        done = await kernel.run("open('/tmp/ran', 'w')")
        assert done["error"].startswith("ContainerNotStarted")
        assert "not approved" in done["error"]
        assert containers(engine_program) == []
    finally:
        await kernel.shutdown()
