"""The search for cycles of references: seldom while a run goes on, as before after it."""

import gc
import weakref

import pytest

from ingest.garbage import THRESHOLD, seldom_searched


class Node:
    """May refer to itself."""

    itself: "Node"


def cycle() -> "weakref.ref[Node]":
    node = Node()
    node.itself = node
    return weakref.ref(node)


def test_inside_the_search_is_seldom_and_leaves_out_what_is_there_already() -> None:
    with seldom_searched():
        assert gc.isenabled()
        assert gc.get_threshold()[0] == THRESHOLD
        assert gc.get_freeze_count() > 0


def test_cycles_made_inside_are_found() -> None:
    with seldom_searched():
        made = cycle()
        gc.collect()
        assert made() is None


@pytest.mark.parametrize("fails", [False, True])
def test_afterwards_all_is_as_before(fails: bool) -> None:
    before, made = gc.get_threshold(), cycle()
    try:
        with seldom_searched():
            if fails:
                raise OSError
    except OSError:
        assert fails
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
    gc.collect()
    assert made() is None
