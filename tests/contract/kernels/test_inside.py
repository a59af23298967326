"""What a kernel sees of its container, of its files and of this machine."""

import asyncio
import contextlib
import os
import stat
from pathlib import Path

import psutil
import pytest
import trustme
from traitlets.config import Config

from jupyter_containers.dockerfile.installed import printed
from tests.helpers.harness import Kernel, approve, running, write_notebook
from tests.helpers.package_index import wheel


async def test_runs_in_the_image_beside_its_files(kernel):
    (kernel.folder / "data.txt").write_text("beside")
    (kernel.folder / "mine.py").write_text("X = 42\n")
    assert await kernel.value("open('data.txt').read()") == "beside"
    assert await kernel.value("__import__('mine').X") == "42"
    assert await kernel.value("__import__('os').getcwd()") == str(kernel.folder)
    assert "bookworm" in await kernel.value("open('/etc/os-release').read()")
    await kernel.run("open('made', 'w').write('x')")
    made = (kernel.folder / "made").stat()
    assert (made.st_uid, made.st_gid) == (os.getuid(), os.getgid())


async def test_who_one_is_inside(kernel, shown):
    await kernel.run("import os, pwd, pathlib")
    assert await kernel.value("pwd.getpwuid(os.getuid()).pw_dir") == str(Path.home())
    home = await kernel.value("pathlib.Path.home()")
    assert (home == str(Path.home())) is not shown  # where that is shown, HOME is elsewhere
    done = await kernel.run("p = pathlib.Path.home() / 'x' / 'y'; p.mkdir(parents=True)")
    assert done["status"] == "ok", done["error"]


async def test_nothing_of_the_server_crosses(kernel):
    """The module's kernel was started with secrets in the environment of this process."""
    await kernel.run("import os")
    assert await kernel.value("os.environ['GREETING']") == "hello $HOME, 'world'"
    seen = await kernel.value("dict(os.environ)")
    for name in ("MY_SECRET_TOKEN", "JPY_", "proxy", "JUPYTER_RUNTIME", "JUPYTER_TOKEN"):
        assert name not in seen
    assert await kernel.value("os.path.exists('/var/run/docker.sock')") == "False"


async def test_hardened(kernel, problems, engine):
    """Where the engine has no filter it says so; what is left of a bounding set is of no use
    then: nothing gains a capability from it under NoNewPrivs."""
    filtered = not any("filter" in problem.message for problem in problems)
    status = await kernel.value("open('/proc/self/status').read()")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb", *(["CapBnd"] if filtered else [])):
        assert int(fields[kind], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    # enroot's filter takes nothing away, it lets chown and setuid seem to work
    # (https://github.com/NVIDIA/enroot/blob/master/bin/enroot-nsenter.c).
    enroots = engine.endswith(("enroot", "pyxis"))
    assert fields["Seccomp"] == ("2" if filtered or enroots else "0")


def ports_of_jobs():
    """On which Slurm's jobs listen: tests of others may run beside this one."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "SLURM_JOB_ID" in process.environ():
                found |= {one.laddr.port for one in process.net_connections("tcp")}
    return found


async def test_no_port_on_any_interface(notebook, features, engine):
    if engine == "kubernetes":
        pytest.skip("a Pod's network is not this machine's, and is not looked into here")
    if "jobs" in features:
        pytest.skip("a job's kernel is reached over the cluster's network: test_jobs.py")

    def listening():
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        lines += Path("/proc/net/tcp6").read_text().splitlines()[1:]
        return {line.split()[1] for line in lines if line.split()[3] == "0A"}

    # Other programs of this machine come and go: a port of ours would be there each time.
    for _ in range(3):
        before = listening()
        async with running(notebook()) as kernel:
            assert await kernel.value("1+1") == "2"
            theirs = ports_of_jobs()
            new = {one for one in listening() - before if int(one[-4:], 16) not in theirs}
        if not (new := new - listening()):
            break
    if "network-private" not in features:
        # ipykernel 7's own, between two of its threads, on the loopback of whoever runs it
        # (iostream.py, IOPubThread._setup_pipe_in); our channels are none of these.
        new = {one for one in new if not one.startswith("0100007F:")}
    assert not new


async def test_network_none(notebook, features):
    async with running(notebook(network="none")) as kernel:
        if "network-none" not in features:
            done = await kernel.run("1")
            assert "network" in done["error"] and "cannot be" in done["error"]
            return
        seen = await kernel.value("__import__('socket').if_nameindex()")
        assert seen == "[(1, 'lo')]"
        assert kernel.container._client.applied.network == ("lo",)


async def test_mounts_are_read_only_or_writable_and_what_is_made_is_ours(notebook, folder):
    for name in ("data", "out"):
        (folder / name).mkdir()
    (folder / "data" / "a").write_text("1")
    mounts = [
        {"source": "data", "target": "/data", "writable": False},
        {"source": "out", "target": "/out", "writable": True},
    ]
    async with running(notebook(mounts=mounts)) as kernel:
        done = await kernel.run("open('/out/made', 'wb').write(bytes(1 << 20))")
        assert done["status"] == "ok", done["error"]
        made = (folder / "out" / "made").stat()
        assert (made.st_size, made.st_uid, made.st_gid) == (1 << 20, os.getuid(), os.getgid())
        assert await kernel.value("open('/data/a').read()") == "1"
        done = await kernel.run("open('/data/b', 'w')")
        assert done["error"].startswith("OSError")
        assert "Read-only" in done["error"]


async def test_a_notebook_in_home_does_not_show_its_neighbours(
    engine, image, folder, monkeypatch, shown
):
    if shown:
        pytest.skip("this engine's containers see what the site shows, as it says itself")
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id").write_text("key")
    monkeypatch.setattr(Path, "home", lambda: home)
    path = write_notebook(home / "n.ipynb", {"image": image, "engine": engine})
    async with running(path) as kernel:
        assert await kernel.value("__import__('os').getcwd()") == str(home)
        seen = await kernel.value("__import__('os').listdir('.')")
        assert "n.ipynb" not in seen
        assert ".ssh" not in seen
        assert await kernel.value(f"__import__('os').path.exists('{home}/.ssh')") == "False"


async def test_limits_are_read_back(notebook, enforces_memory, problems):
    """Where the engine has no limit of processes it says so."""
    pids = None if any("`pids`" in problem.message for problem in problems) else 333
    async with running(notebook(memory="512m", cpus=1.5, pids=333)) as kernel:
        applied = kernel.container._client.applied
        if enforces_memory:
            assert (applied.memory, applied.cpus, applied.pids) == (512 << 20, 1.5, pids)
        else:
            assert applied.memory is None


async def test_a_hostile_runtime_directory(notebook, engine):
    async with running(notebook()) as kernel:
        run = kernel.container.run_dir.run
        await kernel.run(
            "import os\nd = '/opt/jupyter-containers/run/'\n"
            "[os.unlink(d + f) for f in os.listdir(d) if not os.path.isdir(d + f)]\n"
            "os.symlink('/etc/shadow', d + 'start.json'); os.mkfifo(d + 'guest')"
        )
        # A Pod's is its own: what comes through the tunnel puts nothing in place of our sockets.
        made = (run / "guest").lstat().st_mode
        assert stat.S_ISSOCK(made) if engine == "kubernetes" else stat.S_ISFIFO(made)
        await asyncio.sleep(0.6)  # in which a Pod's end looks at its sockets
        if engine != "kubernetes":  # there it is a directory in memory, for this Pod alone
            done = await kernel.run("open('/opt/jupyter-containers/conf/x', 'w')")
            assert done["status"] == "error"
        assert await kernel.value("1") == "1"


async def test_signals_and_processes_of_a_session(kernel):
    await kernel.run("import os, signal")
    assert await kernel.value("os.getpgid(0) == os.getpid()") == "True"
    assert await kernel.value("signal.getsignal(signal.SIGPIPE) is not None") == "True"


async def test_a_folder_of_any_name(engine, image, folder, shown):
    """The notebook's own, and one that is mounted elsewhere; or it says which it cannot mount."""
    here = folder / 'Lee, Kim 10:30 "x" it\'s $HOME 100% \\\\n #1 Übung 日本'
    data = here / "a, b:c"
    data.mkdir(parents=True)
    (data / "x.txt").write_text("42")
    mounts = [{"source": "a, b:c", "target": "/srv/d, e:f"}]
    path = write_notebook(here / "n.ipynb", {"image": image, "engine": engine, "mounts": mounts})
    refusals = {"kubernetes": "in a Pod: it has a colon"}
    refusal = "Shifter cannot mount" if shown else refusals.get(engine)
    if refusal:  # Shifter takes letters and digits alone where it has something to mount
        approve(path)
        kernel = Kernel(path)
        try:
            await kernel.start()
            assert refusal in kernel.provisioner.trouble.message
        finally:
            await kernel.shutdown()
        return
    async with running(path) as kernel:
        assert await kernel.value("__import__('os').getcwd()") == str(here)
        assert await kernel.value("open('/srv/d, e:f/x.txt').read()") == "42"
        done = await kernel.run("open('/srv/d, e:f/x.txt', 'w')")
        assert "Read-only file system" in done["error"]
        await kernel.run("open('made', 'w').write('x')")
    assert (here / "made").read_text() == "x"


SITE = """import http.server, os, pathlib, ssl, subprocess, sys, threading
class Index(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = pathlib.PurePosixPath(self.path).name
        wheel = next(pathlib.Path().glob("*.whl"))
        link = f"<a href=/{wheel}>{wheel}</a>".encode()
        page = wheel.read_bytes() if name == str(wheel) else link
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("localhost", 0), Index)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("server.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"https://localhost:{server.server_port}/simple"
asks = f"import urllib.request; urllib.request.urlopen('{url}/kept/')"
def asked(argv, *without):
    env = {name: value for name, value in os.environ.items() if name not in without}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
    return done.returncode, (done.stdout + done.stderr)[-3000:]
pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", "got", "-i", url, "kept"]
"""


async def test_certificates_and_proxies_that_the_policy_lends(
    notebook, folder, tmp_path, monkeypatch
):
    """They reach what runs inside by a file that it cannot write, and by variables: programs trust
    a site whose certificate is signed by that CA, and without them they do not."""
    authority = trustme.CA()
    site = tmp_path / "site.pem"
    authority.cert_pem.write_to_path(str(site))
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    name, content = wheel("kept", "1.2.3")
    (folder / name).write_bytes(content)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    lent = {"kernel_ca": str(site), "kernel_proxies": True, "engines": ["*"]}
    path = notebook(env={"no_proxy": "localhost"})
    async with running(path, Config({"Policy": lent})) as kernel:
        done = await kernel.run(SITE)
        assert done["status"] == "ok", done["error"]
        names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
        for name in (*names, "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"):
            read = f"subprocess.getoutput('cat ${name}') == {site.read_text().strip()!r}"
            assert await kernel.value(read) == "True", name
        done = await kernel.run("pathlib.Path(os.environ['SSL_CERT_FILE']).write_text('mine')")
        assert done["status"] == "error"
        seen = "[os.environ.get(n) for n in ('https_proxy', 'HTTPS_PROXY', 'no_proxy')]"
        assert await kernel.value(seen) == str([*["http://proxy.invalid:3128"] * 2, "localhost"])
        assert await kernel.value("asked([sys.executable, '-c', asks])") == "(0, '')"
        assert await kernel.value("asked(pip)") == "(0, '')"
        alone = await kernel.value(f"asked([sys.executable, '-c', asks], *{names})")
        assert "CERTIFICATE_VERIFY_FAILED" in alone
        said = "[*(word for word in pip if word != '-q'), '--retries=0']"
        alone = await kernel.value(f"asked({said}, *{names})")
        assert alone.startswith("(1,") and "No matching distribution" in alone
        assert printed(alone.replace("\\n", "\n")).untrusted
