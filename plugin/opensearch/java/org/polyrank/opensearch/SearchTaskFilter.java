package org.polyrank.opensearch;

import java.util.List;
import org.opensearch.action.ActionRequest;
import org.opensearch.action.search.SearchAction;
import org.opensearch.action.support.ActionFilter;
import org.opensearch.action.support.ActionFilterChain;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.core.action.ActionListener;
import org.opensearch.core.action.ActionResponse;
import org.opensearch.tasks.Task;

/** Notes the task of each search in the thread context: a search pipeline's processor is not told which task it works for. */
final class SearchTaskFilter implements ActionFilter {
    private static final String SEARCH_TASK = "polyrank.search_task";
    private final ThreadContext threadContext;

    SearchTaskFilter(ThreadContext threadContext) {
        this.threadContext = threadContext;
    }

    /** The task of the search that this thread works for, or null outside a search. */
    static Task currentTask(ThreadContext threadContext) {
        return threadContext.getTransient(SEARCH_TASK);
    }

    @Override
    public int order() {
        return Integer.MAX_VALUE; // last: after security has let the request in
    }

    @Override
    public <Request extends ActionRequest, Response extends ActionResponse> void apply(
        Task task,
        String action,
        Request request,
        ActionListener<Response> listener,
        ActionFilterChain<Request, Response> chain
    ) {
        if (!SearchAction.NAME.equals(action)) {
            chain.proceed(task, action, request, listener);
            return;
        }
        // A sub-search runs in its parent's context, where the key is already taken: clear it first.
        try (ThreadContext.StoredContext ignored = threadContext.newStoredContext(true, List.of(SEARCH_TASK))) {
            threadContext.putTransient(SEARCH_TASK, task);
            chain.proceed(task, action, request, listener);
        }
    }
}
