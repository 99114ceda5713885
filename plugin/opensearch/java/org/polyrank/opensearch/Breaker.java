package org.polyrank.opensearch;

/**
 * Circuit breaker of one service address. Closed: calls pass. After so many failures in a row it opens: no calls for the cooldown.
 * Then one call at a time may probe; its success closes the breaker, its failure opens it for another cooldown.
 */
final class Breaker {
    private final int failureLimit;
    private final long cooldownNanos;
    private int failuresInRow;
    private long openUntilNanos;
    private boolean open;
    private boolean probing;

    Breaker(int failureLimit, long cooldownNanos) {
        this.failureLimit = failureLimit;
        this.cooldownNanos = cooldownNanos;
    }

    /** Asks for permission to call at this time; a true answer must be followed by exactly one of {@link #succeeded}, {@link #failed}, {@link #abandoned}. */
    synchronized boolean tryAcquire(long nowNanos) {
        if (!open) return true;
        if (probing || nowNanos - openUntilNanos < 0) return false;
        probing = true;
        return true;
    }

    synchronized void succeeded() {
        open = false;
        probing = false;
        failuresInRow = 0;
    }

    synchronized void failed(long nowNanos) {
        failuresInRow++;
        if (open || failuresInRow >= failureLimit) {
            open = true;
            openUntilNanos = nowNanos + cooldownNanos;
        }
        probing = false;
    }

    /** The call ended without saying anything about the service's health. */
    synchronized void abandoned() {
        probing = false;
    }

    /** Milliseconds until a probe is allowed; 0 when calls may pass. */
    synchronized long closedForMs(long nowNanos) {
        return open ? Math.max(0, (openUntilNanos - nowNanos) / 1_000_000) : 0;
    }

    synchronized int failuresInRow() {
        return failuresInRow;
    }
}
