from rerank.devices import DEVICES
from rerank.service.models import GPU_BATCH_TOKENS, Workers


def test_four_threads_share_a_batch_and_more_make_more_workers() -> None:
    for threads, expected in {1: (1, 1), 2: (2, 1), 4: (4, 1), 8: (4, 2), 16: (4, 4)}.items():
        session, limits = Workers(threads).reranking()
        assert (session.threads, limits.workers) == expected


def test_a_gpu_has_one_worker_with_large_batches() -> None:
    for device in ("cuda", "auto"):
        session, limits = Workers(8, DEVICES[device]).reranking()
        assert (limits.workers, limits.batch_tokens) == (1, GPU_BATCH_TOKENS)
        assert session.providers == DEVICES[device]
    assert not Workers(8, DEVICES["cpu"]).gpu
