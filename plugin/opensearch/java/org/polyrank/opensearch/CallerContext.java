package org.polyrank.opensearch;

import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.threadpool.ThreadPool;
import org.opensearch.transport.Transports;

/**
 * Runs continuations in the caller's thread context: an HTTP client's thread has none, and without it the caller's user, headers and
 * X-Opaque-Id would be lost. Stays on the thread it is on, except on a network thread, which must not be kept busy.
 */
final class CallerContext implements Executor {
    private final ThreadPool threadPool;
    private final Supplier<ThreadContext.StoredContext> restorable;

    CallerContext(ThreadPool threadPool) {
        this.threadPool = threadPool;
        this.restorable = threadPool.getThreadContext().newRestorableContext(true);
    }

    @Override
    public void execute(Runnable work) {
        if (Transports.isTransportThread(Thread.currentThread())) threadPool.generic().execute(() -> inContext(work));
        else inContext(work);
    }

    private void inContext(Runnable work) {
        try (ThreadContext.StoredContext ignored = restorable.get()) {
            work.run();
        }
    }
}
