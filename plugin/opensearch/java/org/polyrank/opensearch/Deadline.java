package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.opensearch.common.unit.TimeValue;
import org.opensearch.core.tasks.TaskCancelledException;
import org.opensearch.tasks.CancellableTask;
import org.opensearch.tasks.Task;
import org.opensearch.threadpool.Scheduler;
import org.opensearch.threadpool.ThreadPool;

/**
 * The one time limit of a search's extra work. What is still waited for when it strikes, or when the search's task is cancelled, fails;
 * the continuation runs on a generic thread. One timer a search: it rarely fires before the search is over.
 */
final class Deadline implements AutoCloseable {
    /** How long a cancelled search may go on waiting for a hung service. */
    private static final long CANCEL_CHECK_MS = 100;

    /** The limit was reached. */
    static final class Reached extends RuntimeException {
        Reached(long limitMs) {
            super("not finished within the deadline of " + limitMs + " ms", null, false, false);
        }
    }

    private final ThreadPool threadPool;
    private final Task task;
    private final long limitMs;
    private final long endNanos;
    private final List<CompletableFuture<?>> waitedFor = new ArrayList<>();
    private final List<CompletableFuture<?>> whileOpen = new ArrayList<>();
    private Scheduler.Cancellable timer;
    private RuntimeException end;
    private boolean closed;

    /**
     * @param limitMs what the caller was promised, for the message
     * @param endNanos when it strikes, by the clock of {@link System#nanoTime}: earlier than the limit by what is to follow
     */
    Deadline(ThreadPool threadPool, Task task, long limitMs, long endNanos) {
        this.threadPool = threadPool;
        this.task = task;
        this.limitMs = limitMs;
        this.endNanos = endNanos;
        schedule();
    }

    long remainingMs() {
        return Math.max(0, (endNanos - System.nanoTime()) / 1_000_000);
    }

    boolean isReached() {
        return System.nanoTime() - endNanos >= 0;
    }

    boolean isCancelled() {
        return task instanceof CancellableTask cancellable && cancellable.isCancelled();
    }

    /** Makes the future fail when the limit is reached or the search is cancelled; returns the same future. */
    <T> CompletableFuture<T> watch(CompletableFuture<T> future) {
        RuntimeException ended;
        synchronized (this) {
            ended = end;
            waitedFor.removeIf(CompletableFuture::isDone);
            waitedFor.add(future);
        }
        if (ended != null) future.completeExceptionally(ended);
        return future;
    }

    /** Cancels the future when the search is over without it: nobody waits for it any more. Returns the same future. */
    <T> CompletableFuture<T> whileOpen(CompletableFuture<T> future) {
        boolean over;
        synchronized (this) {
            over = closed;
            if (!over) whileOpen.add(future);
        }
        if (over) future.cancel(true);
        return future;
    }

    Reached reached() {
        return new Reached(limitMs);
    }

    TaskCancelledException cancelled() {
        return new TaskCancelledException("the search was cancelled");
    }

    private synchronized void schedule() {
        if (closed) return;
        long delayMs = Math.max(1, Math.min(CANCEL_CHECK_MS, remainingMs()));
        timer = threadPool.schedule(this::tick, TimeValue.timeValueMillis(delayMs), ThreadPool.Names.GENERIC);
    }

    private void tick() {
        RuntimeException now = isCancelled() ? cancelled() : isReached() ? reached() : null;
        if (now == null) {
            schedule();
            return;
        }
        List<CompletableFuture<?>> late;
        synchronized (this) {
            end = now;
            late = List.copyOf(waitedFor);
        }
        for (CompletableFuture<?> future : late) future.completeExceptionally(now);
    }

    @Override
    public void close() {
        List<CompletableFuture<?>> open;
        synchronized (this) {
            closed = true;
            if (timer != null) timer.cancel();
            open = List.copyOf(whileOpen);
        }
        for (CompletableFuture<?> future : open) future.cancel(true);
    }
}
