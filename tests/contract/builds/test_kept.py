"""Which images of a cell stay."""

from __future__ import annotations

import json

from jupyter_containers.kernelspecs import pin, unpin
from jupyter_containers.layout import BUILD_LABEL
from jupyter_containers.models import Image
from jupyter_containers.settings.schema import Settings
from tests.contract.builds.site import Site


async def test_superseded_images_are_kept_a_few_deep(
    site: Site, images: dict[str, str], word: str
) -> None:
    site.policy["keep_images"] = 1
    made = []
    for number in range(4):
        line = f"-t jc-kept:{word[:8]}" if number == 0 else ""
        made.append(await site.build(f"FROM {images['busybox']}\nRUN echo {word}{number}\n", line))
        await site.builds.settled()
    assert sorted(site.images()) == sorted(one.name for one in made[2:])
    kept = await site.request("FROM scratch\n").engine.image(made[0].reference)
    assert isinstance(kept, Image) and kept.id == made[0].image.id
    site.run("rmi", "-f", made[0].reference)


async def test_an_image_in_use_stays(site: Site, images: dict[str, str], word: str) -> None:
    site.policy["keep_images"] = 0
    first = await site.build(f"FROM {images['busybox']}\nRUN echo {word}\n")
    user = site.run("run", "-d", first.name, "sleep", "300").strip()
    try:
        await site.build(f"FROM {images['busybox']}\nRUN echo {word} more\n")
        await site.builds.settled()
        assert first.name in site.images()
    finally:
        site.run("rm", "-f", user)


async def test_a_pinned_image_stays(site: Site, images: dict[str, str], word: str) -> None:
    site.policy["keep_images"] = 0
    first = await site.build(f"FROM {images['busybox']}\nRUN echo {word}\n")
    pin(first.name, f"jc-{word[:8]}", Settings(image=first.name))
    try:
        await site.build(f"FROM {images['busybox']}\nRUN echo {word} more\n")
        await site.builds.settled()
        assert first.name in site.images()
    finally:
        unpin(f"jc-{word[:8]}")


async def test_the_label_says_what_it_is(site: Site, images: dict[str, str], word: str) -> None:
    built = await site.build(f"FROM {images['busybox']}\nRUN echo {word}\n")
    [said] = json.loads(site.run("image", "inspect", built.name))
    label = said["Config"]["Labels"][BUILD_LABEL]
    assert label.split(" ")[0] == built.fingerprint
    assert str(site.folder) not in json.dumps(said["Config"])
