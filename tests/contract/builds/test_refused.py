"""What is refused, and mistakes with their line."""

from __future__ import annotations

import subprocess

import pytest

from jupyter_containers import errors
from jupyter_containers.layout import BUILD_LABEL
from tests.contract.builds.site import Site, about_this, commands


async def test_what_the_policy_refuses_starts_nothing(
    site: Site, images: dict[str, str], word: str
) -> None:
    site.policy["images"] = ["localhost/*"]
    site.policy["build_urls"] = []
    cases = (
        "FROM docker.io/library/evil:1",
        "ARG B=evil\nFROM $B",
        f"FROM {images['busybox']}\nCOPY --from=evil:1 /a /b",
        f"FROM {images['busybox']}\nRUN --mount=type=bind,from=evil:1,target=/m true",
        f"FROM {images['busybox']}\nADD https://example.org/x /x",
        f"FROM {images['busybox']}\nRUN --network=host true",
    )
    with commands() as ran:
        for text in cases:
            assert isinstance(await site.fail(text), errors.PolicyRefused), text
    assert about_this(ran) == []


async def test_keys_are_not_copied_even_by_name(
    site: Site, images: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNUPGHOME", str(site.folder / "keys"))
    (site.folder / "keys").mkdir()
    (site.folder / "keys/mine.txt").write_text("key")
    (site.folder / "fine.txt").write_text("fine")
    text = f"FROM {images['busybox']}\nCOPY {{}} /x/\n"
    for line, what in (
        ("", "keys/mine.txt"),
        ("", "."),
        ("--context keys", "mine.txt"),
        ("--context /etc", "passwd"),
    ):
        error = await site.fail(text.format(what), line)
        assert isinstance(error, errors.PolicyRefused) and "Policy.mounts" in error.message
    assert not (await site.build(text.format("fine.txt"))).reused


async def test_mistakes_have_their_line(site: Site, images: dict[str, str]) -> None:
    for text, line, what in (
        (f"FROM {images['busybox']}\nRUNN x\n", 2, "RUNN"),
        (f"FROM {images['busybox']}\nCOPY nothing.txt /\n", 2, "nothing.txt"),
        ("RUN true\n", 1, "FROM"),
    ):
        error = await site.fail(text)
        assert isinstance(error, errors.DockerfileError), error
        assert error.line == line and what in error.message
    assert isinstance(await site.fail(f"FROM {images['busybox']}\n", "--target x"), errors.BadInput)


async def test_our_own_names_are_not_given_away(
    site: Site, images: dict[str, str], word: str
) -> None:
    """Else one notebook's image could wait under the name that another's will have."""
    victim = await site.build(f"FROM {images['busybox']}\nRUN echo {word}\n")
    label = f"LABEL {BUILD_LABEL}={victim.fingerprint}"
    text = f"FROM {images['busybox']}\n{label}\nRUN echo evil {word}\n"
    assert isinstance(await site.fail(text, f"-t {victim.name}"), errors.BadInput)
    evil = await site.build(text)
    site.run("tag", evil.name, victim.name)  # as if it had got there all the same
    again = await site.build(f"FROM {images['busybox']}\nRUN echo {word}\n")
    assert (
        again.image.id != evil.image.id
        and again.image.labels[BUILD_LABEL] != evil.image.labels[BUILD_LABEL]
    )


async def test_an_unknown_base_names_its_line(site: Site, registry: str) -> None:
    error = await site.fail(f"\nFROM {registry}/test/nosuch:1\nRUN true\n")
    assert isinstance(error, errors.BaseUnknown) and error.line == 2
    assert error.message.startswith("Dockerfile line 2:")
    local = await site.fail("FROM localhost/never-built:1\n")
    assert isinstance(local, errors.BaseUnknown) and local.line == 1


async def test_heredocs_are_built_or_refused_but_never_misread(
    site: Site, images: dict[str, str], word: str
) -> None:
    text = f"FROM {images['busybox']}\nRUN <<EOF\necho {word}\nFROM localhost/never-built\nEOF\n"
    features = (await site.request(text).engine.info()).features
    build = site.start(text)
    if "heredocs" in features:
        with pytest.raises(errors.BuildFailed) as caught:  # FROM is no program
            await build.result()
        assert caught.value.line == 2 and word in caught.value.tail
    else:
        with pytest.raises(errors.DockerfileError) as refused:
            await build.result()
        assert refused.value.line == 2 and "here-documents" in refused.value.message


async def test_a_tag_is_taken_from_no_other_image(
    site: Site, engine: str, images: dict[str, str], word: str
) -> None:
    """Whoever approved that name approved the image it has."""
    text = f"FROM {images['busybox']}\nRUN echo {word}\n"
    theirs = f"localhost/jc-theirs:{word[:8]}"
    site.run("tag", images["busybox"], theirs)
    ours = f"localhost/jc-ours:{word[:8]}"
    try:
        error = await site.fail(text, f"-t {theirs}")
        assert isinstance(error, errors.BadInput)
        assert "no %%dockerfile cell built" in error.message
        assert f"{engine} image rm {theirs}" in error.hint
        first = await site.build(text, f"-t {ours}")
        assert (await site.build(text + "RUN true\n", f"-t {ours}")).name != first.name
        other = {"notebook": "other.ipynb"}
        error = await site.fail(text + "RUN echo more\n", f"-t {ours}", **other)
        assert "another notebook's" in error.message
        await site.build(text + "RUN echo more\n", f"-t {ours}", **other, may_retag=True)
        # A copy of the notebook builds the same: no name changes its meaning.
        copy = await site.build(text + "RUN echo more\n", f"-t {ours}", notebook="copy.ipynb")
        assert copy.reference == ours
    finally:
        subprocess.run([engine, "rmi", "-f", theirs, ours], capture_output=True, check=False)
