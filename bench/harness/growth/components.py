"""One component, ten, a thousand: copies of echo, each with a digest and machine code of its own, in use at random."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harness.growth.group import Cases, Figures, Group, Row, Site
from harness.growth.warm import execute

KINDS = (1, 10, 1000)
# So often is each of them asked for at random before it can be taken for compiled.
TIMES = 15


@contextmanager
def cases(site: Site) -> Iterator[Cases]:
    yield {str(kinds): case(site, kinds) for kinds in KINDS}


def case(site: Site, kinds: int) -> Callable[[], Figures]:
    """All of them are in use, and their code in memory, by the time that the measurement begins."""
    folder = copies(site.tools.target / "components" / "echo.wasm", kinds, site.folder / f"components-{kinds}")
    contender = site.warren("--spread", str(kinds), WARREN_COMPONENTS_URL=str(folder))
    contender = replace(contender, warm_up=site.tasks() // 5)
    execute(site, contender, (str(TIMES * kinds),))
    return lambda: site.burn(contender, site.tasks())


def copies(component: Path, kinds: int, folder: Path) -> Path:
    folder.mkdir()
    for n in range(kinds):
        with shutil.copyfile(component, folder / f"echo_{n}.wasm").open("ab") as file:
            file.write(custom_section("copy", str(n).encode()))
    return folder


def custom_section(name: str, content: bytes) -> bytes:
    """Means nothing, and changes the digest: <https://webassembly.github.io/spec/core/binary/modules.html#custom-section>."""
    body = bytes([len(name)]) + name.encode() + content
    return bytes([0, len(body)]) + body


COMPONENTS = Group(
    "components",
    (
        Row("10 components in use at random, beside one", "10", base="1", least=0.9),
        Row("1,000 components", "1000", base="1", least=0.9),
        Row("1,000 components: memory", "1000", "peak_mib", "MiB"),
    ),
    cases,
)
