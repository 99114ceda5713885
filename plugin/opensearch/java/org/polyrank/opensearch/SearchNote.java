package org.polyrank.opensearch;

import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.core.action.ActionListener;
import org.opensearch.tasks.CancellableTask;
import org.opensearch.tasks.Task;

/** What this node knows of one search while it runs: its task, and what is to be done to its response. */
final class SearchNote {
    private final long arrivedNanos;
    private final Task task;
    private final LastSearch lastSearch;
    private final String pipeline;
    private final boolean again;
    private final AtomicReference<Rerun> rerun = new AtomicReference<>();
    private String traceparent;
    private volatile long handedOverNanos;
    private volatile UnaryOperator<SearchResponse> finisher = UnaryOperator.identity();

    /** A search by a {@link PageRound}, and how it runs without one. */
    private record Rerun(PageRound round, Consumer<ActionListener<SearchResponse>> search) {}

    /**
     * @param pipeline the search pipeline that the request names, or null
     * @param first the note of the search that this one runs again; null for a search that runs for the first time
     */
    SearchNote(Task task, LastSearch lastSearch, String pipeline, SearchNote first) {
        this.pipeline = pipeline;
        this.again = first != null;
        this.arrivedNanos = first != null ? first.arrivedNanos : task == null ? System.nanoTime() : task.getStartTimeNanos();
        this.task = task;
        this.lastSearch = lastSearch;
    }

    /** When the search came, by the clock of {@link System#nanoTime}: before security and other filters looked at it. */
    long arrivedNanos() {
        return arrivedNanos;
    }

    /** The search pipeline that the request names, or null; a copy of a request forgets it. */
    String pipeline() {
        return pipeline;
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

    /** Whether this search runs because a {@link PageRound} has failed. */
    boolean isAgain() {
        return again;
    }

    /** The last search is by this round; `search` runs the whole search without one. */
    void byRound(PageRound round, Consumer<ActionListener<SearchResponse>> search) {
        rerun.set(new Rerun(round, search));
        onResponse(response -> round.total() == null ? response : ShortPage.completed(response, round.total()));
    }

    /** Whether the search is run again, because its round put no page; `listener` then gets that answer. At most once. */
    boolean runsAgain(ActionListener<SearchResponse> listener) {
        Rerun found = rerun.getAndSet(null);
        if (found == null || found.round().isDone() || task instanceof CancellableTask own && own.isCancelled()) return false;
        found.search().accept(listener);
        return true;
    }

    void onResponse(UnaryOperator<SearchResponse> change) {
        finisher = change;
    }

    SearchResponse finish(SearchResponse response) {
        if (handedOverNanos != 0) lastSearch.observe((System.nanoTime() - handedOverNanos) / 1e6);
        return finisher.apply(response);
    }
}
