package org.polyrank.opensearch;

import java.util.function.UnaryOperator;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.tasks.Task;

/** What this node knows of one search while it runs: its task, and what is to be done to its response. */
final class SearchNote {
    private final long arrivedNanos;
    private final Task task;
    private final LastSearch lastSearch;
    private String traceparent;
    private volatile long handedOverNanos;
    private volatile UnaryOperator<SearchResponse> finisher = UnaryOperator.identity();

    SearchNote(Task task, LastSearch lastSearch) {
        this.arrivedNanos = task == null ? System.nanoTime() : task.getStartTimeNanos();
        this.task = task;
        this.lastSearch = lastSearch;
    }

    /** When the search came, by the clock of {@link System#nanoTime}: before security and other filters looked at it. */
    long arrivedNanos() {
        return arrivedNanos;
    }

    /** The last search starts now. */
    void handOver() {
        handedOverNanos = System.nanoTime();
    }

    /** The trace of this search where its caller began none: one for all its calls. */
    synchronized String traceparent() {
        if (traceparent == null) traceparent = CallHeaders.newTrace();
        return traceparent;
    }

    Task task() {
        return task;
    }

    void onResponse(UnaryOperator<SearchResponse> change) {
        finisher = change;
    }

    SearchResponse finish(SearchResponse response) {
        if (handedOverNanos != 0) lastSearch.observe((System.nanoTime() - handedOverNanos) / 1e6);
        return finisher.apply(response);
    }
}
