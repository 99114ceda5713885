"""Fixtures of the engine tests: `from tests.node.engine_fixtures import *` is all a test file needs."""

from collections.abc import Iterator
from typing import Any

import pytest

from plugin.artifacts import ArtifactStore
from plugin.ground import ground_for
from plugin.layout import Distribution, lay_out
from rerank.home import polyrank_home
from tests.node.engine_rig import Rig, lamps
from tests.node.fake_service import FakeService

__all__ = ["bare_distribution", "fake", "rig", "shop"]


@pytest.fixture(scope="module")
def shop(node: Any) -> Iterator[Rig]:
    """The node with the tests' index `shop`, made once a file; the node's services are afterwards what they were."""
    with FakeService() as fake:
        rig = Rig(node.url, fake)
        before = rig.services()
        rig.index("shop", lamps())
        yield rig
        rig.http.delete("/shop")
        rig.use(*before)
        rig.http.close()


@pytest.fixture
def fake() -> Iterator[FakeService]:
    """A healthy service of this test alone."""
    with FakeService() as fake:
        yield fake


@pytest.fixture
def rig(shop: Rig, fake: FakeService) -> Rig:
    """The shop with this test's service behind the node and the default pipeline `shop`."""
    shop.service = fake
    shop.use(fake.url)
    shop.pipeline()
    return shop


@pytest.fixture(scope="session")
def bare_distribution() -> Distribution:
    """The node's program files without our plugin, and the compiler."""
    home = polyrank_home()
    return lay_out(ground_for(home), ArtifactStore(home / "artifacts"))
