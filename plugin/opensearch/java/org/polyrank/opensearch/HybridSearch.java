package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.search.builder.SearchSourceBuilder;

/** One search's way from the query text to the ranked window: understand and retrieve, fuse, rerank. */
final class HybridSearch {
    /**
     * @param ranked the window in its final order
     * @param changesOrder whether that order can differ from the caller's own
     * @param lexical the answer to the caller's own query, under the attributes
     * @param attributes what they do to the search
     * @param textFound whether any retriever of texts found something
     * @param round what is to make the window in the last search; null when it is made
     * @param documents those of the window that are read already
     * @param told the documents of which shards told that the caller's query matches them; null when they were not asked
     */
    record Outcome(
        List<RankedDoc> ranked,
        boolean changesOrder,
        Found lexical,
        AttributePlan attributes,
        boolean textFound,
        PageRound round,
        Map<DocKey, WindowDocument> documents,
        Set<DocKey> told
    ) {
        Outcome with(List<RankedDoc> order, boolean changes) {
            return new Outcome(order, changes, lexical, attributes, textFound, round, documents, told);
        }

        Outcome with(Map<DocKey, WindowDocument> read) {
            return new Outcome(ranked, changesOrder, lexical, attributes, textFound, round, read, told);
        }

        Outcome with(Set<DocKey> matching) {
            return new Outcome(ranked, changesOrder, lexical, attributes, textFound, round, documents, matching);
        }
    }

    private final Engine engine;
    private final PipelineConfig config;
    private final PolyrankExt ext;
    private final SearchRequest request;
    private final String queryText;
    private final Report report;
    private final Deadline deadline;
    private final SubSearches searches;
    private final CallerContext callerContext;
    private final AfterFusion afterFusion;
    private final PageRounds.Allowed rounds;
    private QueryBuilder naming;

    /** What a retriever searches for. */
    private record Retrieval(RetrieverConfig retriever, SearchSourceBuilder source) {}

    HybridSearch(
        Engine engine,
        PipelineConfig config,
        PolyrankExt ext,
        SearchRequest request,
        String queryText,
        Report report,
        Deadline deadline,
        SubSearches searches,
        CallerContext callerContext,
        PageRounds.Allowed rounds
    ) {
        this.engine = engine;
        this.config = config;
        this.ext = ext;
        this.request = request;
        this.queryText = queryText;
        this.report = report;
        this.deadline = deadline;
        this.searches = searches;
        this.callerContext = callerContext;
        this.rounds = rounds;
        Reranking reranking = new Reranking(engine, config, ext, report, deadline, callerContext);
        this.afterFusion = new AfterFusion(config, ext, queryText, report, searches, reranking, callerContext);
    }

    /** Fails only when the caller's own query fails or the search is cancelled; everything else degrades and is reported. */
    CompletableFuture<Outcome> run() {
        CompletableFuture<Understanding> understanding = understand(); // first: while the service works, the lexical search does
        CompletableFuture<Found> lexical = lexical(searches);
        report.queryClass(); // while both work: what is known by itself
        if (rounds.page()) naming = RankedDocsQueryBuilder.naming(request.source().query());
        CompletableFuture<Outcome> outcome = understanding.thenComposeAsync(said -> retrieved(said, lexical), callerContext)
            .thenCombine(pinned(), HybridSearch::withPinned)
            .thenCompose(fused -> afterFusion(fused, understanding.join()));
        CompletableFuture<Outcome> first = new CompletableFuture<>();
        lexical.exceptionally(error -> { // an invalid query is answered at once, however long the service takes
            first.completeExceptionally(error);
            return null;
        });
        outcome.whenComplete((value, error) -> {
            if (error == null) first.complete(value);
            else first.completeExceptionally(error);
        });
        return first;
    }

    private CompletableFuture<Understanding> understand() {
        boolean vector = !config.knn().isEmpty();
        boolean translations = config.translates();
        boolean language = config.policy() != null && config.policy().languages().contains(PolicyConfig.QUERY_LANGUAGE);
        boolean attributes = ext.attributes(config.attributes().use()) != AttributesConfig.Use.OFF;
        List<String> expansions = config.expansions();
        boolean words = translations || language || attributes || !expansions.isEmpty();
        if (!vector && !words && config.rerank() == null) return CompletableFuture.completedFuture(null);
        List<String> want = new ArrayList<>(List.of("language"));
        if (translations) want.add("translations");
        if (vector) want.add("vector");
        String embedder = vector ? embedder() : null;
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("query", queryText);
        body.put("languages", config.languages());
        body.put("want", want);
        // what the catalogue knows of words and values is told with attributes and expansions, and not to who sees a part of it
        boolean told = attributes || !expansions.isEmpty();
        if (config.vocabulary() != null && !(told && engine.schemas().areFiltered(request))) body.put("vocabulary", config.vocabulary());
        if (embedder != null) body.put("model", embedder); // while an index is embedded anew, a service has both models
        if (config.rerank() != null && config.rerank().model() != null) body.put("reranker", config.rerank().model());
        if (ext.locale() != null) body.put("locale", ext.locale());
        if (!expansions.isEmpty()) body.put("expand", expansions);
        Map<String, String> schema = attributes ? schema() : Map.of();
        if (attributes) {
            want.add("attributes");
            body.put("schema", schema);
            body.put("min_confidence", config.attributes().minConfidence());
        }
        long since = System.nanoTime();
        return deadline.watch(
            engine.services().call("/understand", body, deadline, answer -> Understanding.read(answer, queryText, vector, schema))
        ).handle((answer, error) -> {
            report.took(Report.Stage.UNDERSTAND, since);
            report.took(Report.Stage.SERVICE, since);
            if (error != null) report.degraded("understand", error);
            else report.understanding(answer);
            return answer;
        });
    }

    private String embedder() {
        try {
            return engine.vectorFields().embedder(request, config.knn().get(0).field());
        } catch (RuntimeException e) { // the indices cannot be resolved: the lexical search says so to the caller
            return null;
        }
    }

    private Map<String, String> schema() {
        try {
            return engine.schemas().of(request);
        } catch (RuntimeException e) { // the indices cannot be resolved: the lexical search says so to the caller
            return Map.of();
        }
    }

    /** The caller's own query. When it is not fused its best score is still needed, to rank everything else above the tail. */
    private CompletableFuture<Found> lexical(SubSearches searches) {
        long since = System.nanoTime();
        RetrieverConfig retriever = config.lexicalRetriever();
        int size = retriever != null ? retriever.shared().window() : 1;
        return searches.find(RetrieverConfig.Lexical.NAME, searches.lexical(size), config.queryPipeline()).whenComplete((response, error) -> {
            report.took(Report.Stage.LEXICAL, since);
            if (error != null) report.degraded(RetrieverConfig.Lexical.NAME, error);
        });
    }

    /**
     * Retrieves under the query's attributes, and once more without their filters when these leave no text hit of what `plain`, the
     * caller's query without them, has found.
     */
    private CompletableFuture<Outcome> retrieved(Understanding understanding, CompletableFuture<Found> plain) {
        AttributePlan plan = AttributePlan.of(understanding, config.attributes(), ext);
        return retrieve(understanding, plan, plain).thenCombine(
            plain,
            (outcome, unfiltered) -> plan.filters().isEmpty() || outcome.textFound() || unfiltered.hits().isEmpty() && !outcome.ranked().isEmpty()
                ? CompletableFuture.completedFuture(outcome)
                : retrieve(understanding, plan.relax(), plain)
        ).thenCompose(outcome -> outcome).thenApply(outcome -> {
            tell(understanding, outcome.attributes());
            return outcome;
        });
    }

    /** What was understood and is in use, and what is not. */
    private void tell(Understanding understanding, AttributePlan plan) {
        List<Map<String, Object>> applied = new ArrayList<>(plan.applied());
        List<Map<String, Object>> left = new ArrayList<>(plan.left());
        List<Expansion> expansions = understanding == null ? List.of() : understanding.expansions();
        for (Expansion one : expansions) {
            if (!ext.without().contains(one.text())) applied.add(one.told());
            else left.add(AttributePlan.with(one.told(), "reason", AttributePlan.LEFT_OUT));
        }
        report.applied(applied, left);
    }

    private CompletableFuture<Outcome> retrieve(Understanding understanding, AttributePlan plan, CompletableFuture<Found> plain) {
        SubSearches planned = plan.isEmpty() ? searches : searches.under(plan);
        List<Retrieval> others = others(understanding, planned);
        boolean one = others.size() == 1 && others.get(0).retriever() instanceof RetrieverConfig.Knn;
        if (one && plan.isEmpty()) {
            int reads = rounds.window() ? afterFusion.reads(understanding, config.window()) : 0;
            if (reads > 0) return readingRound(understanding, others.get(0), plan, plain, reads);
            if (rounds.page() && !afterFusion.reorders(understanding)) return oneRound(understanding, others.get(0), plan, plain);
        }
        CompletableFuture<Found> lexical = plan.isEmpty() ? plain : lexical(planned);
        return lexical.thenCombineAsync(rankings(others), (found, rankings) -> fuse(understanding, found, rankings, plan), callerContext);
    }

    /** Leaves the kNN search to the last search when the page can be told there, else runs it now. */
    private CompletableFuture<Outcome> oneRound(Understanding understanding, Retrieval retrieval, AttributePlan plan, CompletableFuture<Found> plain) {
        RetrieverConfig.Knn knn = (RetrieverConfig.Knn) retrieval.retriever();
        return plain.thenComposeAsync(lexical -> {
            int window = config.lexicalRetriever().shared().window();
            if (deadline.isReached() || !PageRound.suffices(request, knn, lexical, window)) return searched(understanding, retrieval, plan, lexical);
            QueryBuilder query = retrieval.source().query();
            PageRound round = new PageRound(knn, query, lexical, naming, ranking -> fuse(understanding, lexical, found(ranking), plan), report);
            return CompletableFuture.completedFuture(new Outcome(List.of(), true, lexical, plan, true, round, Map.of(), null));
        }, callerContext);
    }

    /** Has the kNN search read the documents for the reranker when it can be told which, else runs it alone. */
    private CompletableFuture<Outcome> readingRound(
        Understanding understanding,
        Retrieval retrieval,
        AttributePlan plan,
        CompletableFuture<Found> plain,
        int reads
    ) {
        RetrieverConfig.Knn knn = (RetrieverConfig.Knn) retrieval.retriever();
        return plain.thenComposeAsync(lexical -> {
            if (!WindowRound.suffices(request, knn, lexical, reads)) return searched(understanding, retrieval, plan, lexical);
            List<Ranking.Hit> fused = config.lexicalRetriever() == null ? List.of() : lexical.hits();
            List<String> paths = afterFusion.sourcePaths(true);
            WindowRound round = new WindowRound(knn, paths, ranking -> fuse(understanding, lexical, found(ranking), plan), report);
            boolean counts = ShortPage.isPlain(request) && ShortPage.mustBeTold(request, lexical);
            QueryBuilder told = counts ? request.source().query() : null;
            return round.run(searches, retrieval.source(), told, fused, reads).exceptionallyComposeAsync(error -> {
                rounds.failed();
                return searched(understanding, retrieval, plan, lexical);
            }, callerContext);
        }, callerContext);
    }

    private CompletableFuture<Outcome> searched(Understanding understanding, Retrieval retrieval, AttributePlan plan, Found lexical) {
        return rankings(List.of(retrieval)).thenApply(rankings -> fuse(understanding, lexical, rankings, plan));
    }

    private static List<Ranking> found(Ranking ranking) {
        return ranking.hits().isEmpty() ? List.of() : List.of(ranking);
    }

    /** What is to be searched besides the lexical search. */
    private List<Retrieval> others(Understanding understanding, SubSearches searches) {
        List<Retrieval> others = new ArrayList<>();
        for (RetrieverConfig retriever : config.retrievers()) {
            SearchSourceBuilder source = source(retriever, understanding, searches);
            if (source != null) others.add(new Retrieval(retriever, source));
        }
        return others;
    }

    /** What they find; a retriever that fails is left out. */
    private CompletableFuture<List<Ranking>> rankings(List<Retrieval> retrievals) {
        long since = System.nanoTime();
        List<CompletableFuture<Ranking>> running = retrievals.stream().map(one -> ranking(one.retriever(), one.source())).toList();
        return CompletableFuture.allOf(running.toArray(CompletableFuture[]::new)).thenApply(done -> {
            if (!running.isEmpty()) report.took(Report.Stage.RETRIEVE, since);
            return running.stream().map(CompletableFuture::join).filter(ranking -> !ranking.hits().isEmpty()).toList();
        });
    }

    private SearchSourceBuilder source(RetrieverConfig retriever, Understanding understanding, SubSearches searches) {
        return switch (retriever) {
            case RetrieverConfig.Lexical lexical -> null; // runs already
            case RetrieverConfig.Translated translated -> understanding == null
                ? null
                : searches.translated(translated, understanding.translations());
            case RetrieverConfig.Text text -> searches.text(text, queryText, understanding == null ? null : understanding.languageCode());
            case RetrieverConfig.Expanded expanded -> understanding == null ? null : expandedSource(expanded, understanding, searches);
            case RetrieverConfig.Knn knn -> understanding == null ? null : knnSource(knn, understanding, searches);
        };
    }

    /** Null when the query has no expansions of these kinds. */
    private SearchSourceBuilder expandedSource(RetrieverConfig.Expanded retriever, Understanding understanding, SubSearches searches) {
        List<Expansion> used = understanding.expansions()
            .stream()
            .filter(one -> retriever.kinds().contains(one.source()) && !ext.without().contains(one.text()))
            .toList();
        return used.isEmpty() ? null : searches.expanded(retriever, queryText, understanding.languageCode(), used);
    }

    private SearchSourceBuilder knnSource(RetrieverConfig.Knn knn, Understanding understanding, SubSearches searches) {
        if (config.unread().knnFactor() == 0 && config.unread().byEmbedder(understanding)) return null;
        try {
            VectorFields.Eligible eligible = engine.vectorFields()
                .eligible(request, knn.field(), understanding.embedder(), understanding.vector().length);
            eligible.refused().forEach(reason -> report.degraded(knn.key(), reason));
            return eligible.indices().isEmpty() ? null : searches.knn(knn, understanding.vector(), eligible);
        } catch (RuntimeException e) { // the indices cannot be resolved: the lexical search says so to the caller
            report.degraded(knn.key(), e);
            return null;
        }
    }

    private CompletableFuture<Ranking> ranking(RetrieverConfig retriever, SearchSourceBuilder source) {
        return searches.find(retriever.key(), source).handle((found, error) -> {
            if (error == null) return Ranking.of(retriever, found);
            report.degraded(retriever.key(), error);
            return new Ranking(retriever.key(), retriever.weight(), List.of());
        });
    }

    private Outcome fuse(Understanding understanding, Found lexical, List<Ranking> others, AttributePlan plan) {
        List<Ranking> rankings = new ArrayList<>(others);
        if (config.lexicalRetriever() != null) rankings.add(Ranking.of(config.lexicalRetriever(), lexical));
        List<RankedDoc> ranked = RankedDoc.of(Fusion.fuse(weighted(understanding, rankings), config.technique(), config.rankConstant(), config.window()));
        boolean textFound = !lexical.hits().isEmpty() || others.stream().anyMatch(ranking -> !config.isKnn(ranking.retriever()));
        return new Outcome(ranked, !others.isEmpty() || !plan.isEmpty(), lexical, plan, textFound, null, Map.of(), null);
    }

    private List<Ranking> weighted(Understanding understanding, List<Ranking> rankings) {
        List<Ranking> own = overridden(rankings);
        if (config.knn().isEmpty() || !config.unread().byEmbedder(understanding)) return own;
        report.unread(config.unread().told(understanding));
        return config.unread().on(own, config);
    }

    private List<Ranking> overridden(List<Ranking> rankings) {
        for (FusionWeights override : config.overrides()) {
            String reason = override.queries().reason(report.language(), report.queryClass());
            if (reason == null) continue;
            report.weightsOf(reason);
            return override.on(rankings);
        }
        return rankings;
    }

    /** The documents that the policy puts first for this query, as far as the caller may find them. */
    private CompletableFuture<Found> pinned() {
        List<String> ids = config.policy() == null ? List.of() : config.policy().pinned(queryText);
        if (ids.isEmpty()) return CompletableFuture.completedFuture(null);
        return searches.find("pin", searches.pinned(ids)).exceptionally(error -> {
            report.degraded("pin", error);
            return null;
        });
    }

    private static Outcome withPinned(Outcome fused, Found pinned) {
        if (pinned == null) return fused;
        Set<DocKey> there = new HashSet<>();
        fused.ranked().forEach(doc -> there.add(doc.candidate().doc()));
        List<RankedDoc> ranked = new ArrayList<>(fused.ranked());
        for (Ranking.Hit hit : pinned.hits()) {
            if (there.contains(hit.doc())) continue;
            ranked.add(new RankedDoc(new Candidate(hit.doc(), hit.at(), List.of(), Integer.MAX_VALUE, 0), null, ranked.size() + 1, Double.NaN, 0, Double.NaN));
        }
        return fused.with(ranked, fused.changesOrder());
    }

    private CompletableFuture<Outcome> afterFusion(Outcome fused, Understanding understanding) {
        return afterFusion.run(fused.ranked(), fused.documents(), understanding)
            .thenApply(ranked -> ranked == null ? fused : fused.with(ranked, true));
    }
}
