package org.polyrank.opensearch;

import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.core.action.ActionListener;
import org.opensearch.index.query.BoolQueryBuilder;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.QueryBuilders;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.fetch.subphase.FetchSourceContext;
import org.opensearch.search.pipeline.AbstractProcessor;
import org.opensearch.search.pipeline.PipelineProcessingContext;
import org.opensearch.search.pipeline.SearchRequestProcessor;
import org.opensearch.tasks.Task;

/** The search request processor `hybrid_rerank`. Whatever fails in it, the caller's own query runs and the report says why. */
final class HybridRerankProcessor extends AbstractProcessor implements SearchRequestProcessor {
    static final String TYPE = "hybrid_rerank";
    private static final Logger LOG = LogManager.getLogger(HybridRerankProcessor.class);

    private final PipelineConfig config;
    private final Engine engine;
    private final PageRounds rounds = new PageRounds();

    HybridRerankProcessor(String tag, String description, boolean ignoreFailure, PipelineConfig config, Engine engine) {
        super(tag, description, ignoreFailure);
        this.config = config;
        this.engine = engine;
    }

    @Override
    public String getType() {
        return TYPE;
    }

    @Override
    public SearchRequest processRequest(SearchRequest request) {
        throw new UnsupportedOperationException("[" + TYPE + "] is asynchronous");
    }

    @Override
    public void processRequestAsync(SearchRequest request, PipelineProcessingContext context, ActionListener<SearchRequest> listener) {
        SearchNote note = SearchTaskFilter.currentNote(engine.threadPool().getThreadContext());
        Report report = new Report(config.window(), note.arrivedNanos());
        context.setAttribute(Report.ATTRIBUTE, report);
        context.setAttribute(PageRounds.ATTRIBUTE, rounds);
        boolean mayRound = rounds.usable() && !note.isAgain();
        SearchRequest asItCame = mayRound ? copy(request) : null;
        PolyrankExt ext = PolyrankExt.of(request);
        restrict(request);
        PolyrankExt.forgetProfile(request);
        if (ext.profile() != null && (config.policy() == null || config.policy().personal() == null)) {
            report.degraded("personal", "the pipeline has no [policy.personal]");
        }
        String queryText = ext.query() != null ? ext.query() : request.source() == null ? null : QueryText.of(request.source().query());
        report.query(queryText);
        String passThrough = PassThrough.reason(request, queryText, config);
        if (passThrough != null) {
            report.skipped(passThrough);
            listener.onResponse(request);
            return;
        }
        PinnedIndices.pin(request, engine.clusterService().state());
        leaveOutVectors(request);
        Task task = note.task();
        CallerContext callerContext = new CallerContext(engine.threadPool());
        int limitMs = ext.deadlineMs(config.deadlineMs());
        report.started(task, limitMs);
        long endNanos = note.arrivedNanos() + (limitMs - engine.lastSearch().reserve(limitMs)) * 1_000_000;
        Deadline deadline = new Deadline(engine.threadPool(), task, limitMs, endNanos);
        PageRounds.Allowed allowed = rounds.allowed(mayRound && PageRound.suits(request, config));
        start(request, ext, queryText, report, task, deadline, callerContext, allowed).whenCompleteAsync((outcome, error) -> {
            try (deadline) { // after the last search has started: hanging up on a late service takes time
                if (deadline.isCancelled()) {
                    listener.onFailure(deadline.cancelled());
                    return;
                }
                try {
                    PageRound round = error == null ? outcome.round() : null;
                    if (round == null) rewrite(request, outcome, error, report, note);
                    else {
                        round.start(request, deadline.remainingMs());
                        context.setAttribute(PageRound.ATTRIBUTE, round);
                        note.byRound(round, answer -> callerContext.execute(() -> runAgain(asItCame, note, answer)));
                    }
                } catch (RuntimeException e) { // thrown on, it would be nobody's, and the search would wait for ever
                    listener.onFailure(e);
                    return;
                }
                note.handOver();
                listener.onResponse(request);
            }
        }, callerContext);
    }

    private static SearchRequest copy(SearchRequest request) {
        SearchRequest copy = new SearchRequest(request);
        return request.source() == null ? copy : copy.source(request.source().shallowCopy());
    }

    private void runAgain(SearchRequest request, SearchNote note, ActionListener<SearchResponse> answer) {
        rounds.failed();
        request.pipeline(note.pipeline());
        if (note.task() != null) request.setParentTask(engine.clusterService().localNode().getId(), note.task().getId());
        SearchTaskFilter.again(engine.threadPool().getThreadContext(), note, () -> engine.client().search(request, answer));
    }

    /** What the shop's policy hides is hidden from every search, also from one that is passed through. */
    private void restrict(SearchRequest request) {
        PolicyConfig policy = config.policy();
        if (policy == null || policy.exclude() == null && !policy.strict()) return;
        if (request.source() == null) request.source(new SearchSourceBuilder());
        BoolQueryBuilder restricted = new BoolQueryBuilder();
        QueryBuilder query = request.source().query();
        restricted.must(query == null ? QueryBuilders.matchAllQuery() : query);
        if (policy.exclude() != null) restricted.mustNot(policy.exclude());
        if (policy.strict()) restricted.filter(QueryBuilders.termsQuery(policy.languageField(), policy.languages()));
        request.source().query(restricted);
    }

    /** A caller who does not say which fields to return wants no vectors: they are four fifths of a hit. */
    private void leaveOutVectors(SearchRequest request) {
        SearchSourceBuilder source = request.source();
        if (source.fetchSource() != null || source.storedFields() != null) return;
        Set<String> fields = new TreeSet<>(engine.vectorFields().declared(request));
        config.knn().stream().map(RetrieverConfig.Knn::field).forEach(fields::add);
        if (!fields.isEmpty()) source.fetchSource(new FetchSourceContext(true, null, fields.toArray(String[]::new)));
    }

    private CompletableFuture<HybridSearch.Outcome> start(
        SearchRequest request,
        PolyrankExt ext,
        String queryText,
        Report report,
        Task task,
        Deadline deadline,
        CallerContext callerContext,
        PageRounds.Allowed allowed
    ) {
        try {
            SubSearches searches = new SubSearches(engine, request, task, deadline, report, AttributePlan.NONE);
            return new HybridSearch(engine, config, ext, request, queryText, report, deadline, searches, callerContext, allowed).run();
        } catch (RuntimeException e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    private void rewrite(SearchRequest request, HybridSearch.Outcome outcome, Throwable error, Report report, SearchNote note) {
        if (error != null) {
            // A failed lexical search has reported itself; the caller's own query now runs and answers with its own error, if it has one.
            LOG.debug("hybrid_rerank leaves the caller's order", error);
            report.unlessDegraded("pipeline", error);
            report.nothingApplied();
            return;
        }
        if (!outcome.changesOrder()) return;
        request.source().query(outcome.attributes().on(request.source().query()));
        if (outcome.ranked().isEmpty()) return; // filtered, and nothing is left
        report.ranked(outcome.ranked(), Rewrite.scores(outcome.ranked().size(), outcome.lexical().highestScore()));
        if (config.queryPipeline() != null) ShortPage.applyAlone(request, outcome, note);
        else if (ShortPage.suffices(request, outcome)) ShortPage.apply(request, outcome, note);
        else Rewrite.whole(request.source(), outcome.ranked(), outcome.lexical().highestScore());
    }
}
