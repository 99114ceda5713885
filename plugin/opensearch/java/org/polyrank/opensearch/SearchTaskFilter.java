package org.polyrank.opensearch;

import java.util.List;
import org.opensearch.action.ActionRequest;
import org.opensearch.action.search.SearchAction;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.action.support.ActionFilter;
import org.opensearch.action.support.ActionFilterChain;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.core.action.ActionListener;
import org.opensearch.core.action.ActionResponse;
import org.opensearch.tasks.Task;

/**
 * Keeps a {@link SearchNote} in the thread context of each search: a search pipeline's processor is not told which task it works for,
 * and what it does to the request may have to be made good in the response, whether or not a response processor is in the pipeline.
 */
final class SearchTaskFilter implements ActionFilter {
    private static final String NOTE = "polyrank.search_note";
    private static final String AGAIN = "polyrank.search_again";
    private final Engine engine;
    private final ThreadContext threadContext;

    SearchTaskFilter(Engine engine) {
        this.engine = engine;
        this.threadContext = engine.threadPool().getThreadContext();
    }

    /** The note of the search that this thread works for. */
    static SearchNote currentNote(ThreadContext threadContext) {
        return threadContext.getTransient(NOTE);
    }

    /** Runs `start`, which starts the search of this note once more. */
    static void again(ThreadContext threadContext, SearchNote note, Runnable start) {
        try (ThreadContext.StoredContext ignored = threadContext.newStoredContext(true, List.of(AGAIN))) {
            threadContext.putTransient(AGAIN, note);
            start.run();
        }
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
        String pipeline = request instanceof SearchRequest search ? search.pipeline() : null;
        SearchNote note = new SearchNote(task, engine.lastSearch(), pipeline, threadContext.getTransient(AGAIN));
        // A sub-search runs in its parent's context, where the key is already taken: clear it first.
        try (ThreadContext.StoredContext ignored = threadContext.newStoredContext(true, List.of(NOTE, AGAIN))) {
            threadContext.putTransient(NOTE, note);
            chain.proceed(task, action, request, ActionListener.wrap(response -> {
                if (!note.runsAgain(search(listener))) listener.onResponse(finished(note, response));
            }, error -> {
                if (!note.runsAgain(search(listener))) listener.onFailure(error);
            }));
        }
    }

    @SuppressWarnings("unchecked") // who waits for a search waits for a SearchResponse
    private static ActionListener<SearchResponse> search(ActionListener<?> listener) {
        return (ActionListener<SearchResponse>) listener;
    }

    @SuppressWarnings("unchecked") // the response of a search is a SearchResponse
    private static <Response extends ActionResponse> Response finished(SearchNote note, Response response) {
        return response instanceof SearchResponse search ? (Response) note.finish(search) : response;
    }
}
