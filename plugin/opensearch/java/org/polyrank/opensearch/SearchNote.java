package org.polyrank.opensearch;

import java.util.function.UnaryOperator;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.tasks.Task;

/** What this node knows of one search while it runs: its task, and what is to be done to its response. */
final class SearchNote {
    private final Task task;
    private volatile UnaryOperator<SearchResponse> finisher = UnaryOperator.identity();

    SearchNote(Task task) {
        this.task = task;
    }

    Task task() {
        return task;
    }

    void onResponse(UnaryOperator<SearchResponse> change) {
        finisher = change;
    }

    SearchResponse finish(SearchResponse response) {
        return finisher.apply(response);
    }
}
