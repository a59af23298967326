"""An ipywidgets slider goes to the client and back."""

from tests.helpers.derived import make_image as make_image
from tests.helpers.harness import running, write_notebook


async def test_a_slider_makes_the_round_trip(engine, image, images, folder, make_image):
    widgets = await make_image(
        "widgets",
        f"FROM {image}\nCOPY site /opt/site\nENV PYTHONPATH=/opt/site\n",
        wheels={"site": ["3.11", "ipywidgets"]},
    )
    path = write_notebook(folder / "n.ipynb", {"image": widgets, "engine": engine})
    async with running(path) as kernel:
        client = kernel.client
        opened = {}

        def hook(message):
            if message["msg_type"] == "comm_open":
                opened[message["content"]["data"]["state"].get("_model_name")] = message["content"]

        await client.execute_interactive(
            "from ipywidgets import IntSlider\n"
            "slider = IntSlider(value=3, max=10)\ndisplay(slider)",
            output_hook=hook,
        )
        slider = opened["IntSliderModel"]
        assert slider["data"]["state"]["value"] == 3
        update = {
            "comm_id": slider["comm_id"],
            "data": {"method": "update", "state": {"value": 7}, "buffer_paths": []},
        }
        client.shell_channel.send(client.session.msg("comm_msg", update))
        assert await kernel.value("slider.value") == "7"

        back = []

        def returned(message):
            if message["msg_type"] == "comm_msg":
                back.append(message["content"]["data"].get("state", {}).get("value"))

        await client.execute_interactive("slider.value = 9", output_hook=returned)
        assert 9 in back
