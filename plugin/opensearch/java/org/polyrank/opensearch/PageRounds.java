package org.polyrank.opensearch;

/**
 * Whether one pipeline may answer by a {@link PageRound} and read by a {@link WindowRound}. A request processor is not told which others are
 * in its pipeline, so its first search runs the longer way and learns whether {@link FusedPage} is called; after a round that failed, the
 * longer way is taken for a while.
 */
final class PageRounds {
    /** Under this key a search's pipeline context holds them. */
    static final String ATTRIBUTE = "polyrank.page_rounds";
    private static final long PAUSE_NANOS = 10_000_000_000L;

    private record Pause(long endNanos) {}

    private volatile boolean inPipeline;
    private volatile Pause pause;

    /** What one search may do; `failed` is to be told of a {@link WindowRound} that failed. */
    record Allowed(boolean page, boolean window, PageRounds of) {
        void failed() {
            of.failed();
        }
    }

    /** `page`: whether the search's page can be told by a {@link PageRound}. */
    Allowed allowed(boolean page) {
        return new Allowed(page, !isPaused(), this);
    }

    boolean usable() {
        return inPipeline && !isPaused();
    }

    private boolean isPaused() {
        Pause current = pause;
        return current != null && System.nanoTime() - current.endNanos() < 0;
    }

    void inPipeline() {
        if (!inPipeline) inPipeline = true;
    }

    void failed() {
        pause = new Pause(System.nanoTime() + PAUSE_NANOS);
    }
}
