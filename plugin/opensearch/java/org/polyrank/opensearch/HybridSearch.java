package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.search.builder.SearchSourceBuilder;

/** One search's way from the query text to the ranked window: understand and retrieve, fuse, rerank. */
final class HybridSearch {
    /**
     * @param ranked the window in its final order
     * @param changesOrder whether that order can differ from the caller's own
     * @param lexical the answer to the caller's own query
     */
    record Outcome(List<RankedDoc> ranked, boolean changesOrder, Found lexical) {}

    private final Engine engine;
    private final PipelineConfig config;
    private final SearchRequest request;
    private final String queryText;
    private final Report report;
    private final Deadline deadline;
    private final SubSearches searches;
    private final CallerContext callerContext;

    HybridSearch(
        Engine engine,
        PipelineConfig config,
        SearchRequest request,
        String queryText,
        Report report,
        Deadline deadline,
        SubSearches searches,
        CallerContext callerContext
    ) {
        this.engine = engine;
        this.config = config;
        this.request = request;
        this.queryText = queryText;
        this.report = report;
        this.deadline = deadline;
        this.searches = searches;
        this.callerContext = callerContext;
    }

    /** Fails only when the caller's own query fails or the search is cancelled; everything else degrades and is reported. */
    CompletableFuture<Outcome> run() {
        CompletableFuture<Understanding> understanding = understand(); // first: while the service works, the lexical search does
        CompletableFuture<Found> lexical = lexical();
        CompletableFuture<List<Ranking>> others = understanding.thenComposeAsync(this::retrieve, callerContext);
        CompletableFuture<Outcome> outcome = lexical.thenCombineAsync(others, this::fuse, callerContext)
            .thenCompose(fused -> understanding.join() == null ? CompletableFuture.completedFuture(fused) : rerank(fused, understanding.join()));
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
        boolean translations = config.translated() != null;
        if (!vector && !translations && config.rerank() == null) return CompletableFuture.completedFuture(null);
        List<String> want = new ArrayList<>(List.of("language"));
        if (translations) want.add("translations");
        if (vector) want.add("vector");
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("query", queryText);
        body.put("languages", config.languages());
        body.put("want", want);
        if (config.vocabulary() != null) body.put("vocabulary", config.vocabulary());
        long since = System.nanoTime();
        return deadline.watch(
            engine.services().call("/understand", body, deadline, answer -> Understanding.read(answer, queryText, vector))
        ).handle((answer, error) -> {
            report.took(Report.Stage.UNDERSTAND, since);
            report.took(Report.Stage.SERVICE, since);
            if (error != null) report.degraded("understand", error);
            else report.understanding(answer);
            return answer;
        });
    }

    /** The caller's own query. When it is not fused its best score is still needed, to rank everything else above the tail. */
    private CompletableFuture<Found> lexical() {
        long since = System.nanoTime();
        int size = config.fusesLexical() ? config.window() : 1;
        return searches.find(RetrieverConfig.Lexical.NAME, searches.lexical(size)).whenComplete((response, error) -> {
            report.took(Report.Stage.LEXICAL, since);
            if (error != null) report.degraded(RetrieverConfig.Lexical.NAME, error);
        });
    }

    /** Everything but the lexical search; a retriever that fails is left out. */
    private CompletableFuture<List<Ranking>> retrieve(Understanding understanding) {
        if (understanding == null) return CompletableFuture.completedFuture(List.of());
        long since = System.nanoTime();
        List<CompletableFuture<Ranking>> running = new ArrayList<>();
        for (RetrieverConfig retriever : config.retrievers()) {
            SearchSourceBuilder source = source(retriever, understanding);
            if (source != null) running.add(ranking(retriever, source));
        }
        return CompletableFuture.allOf(running.toArray(CompletableFuture[]::new)).thenApply(done -> {
            if (!running.isEmpty()) report.took(Report.Stage.RETRIEVE, since);
            return running.stream().map(CompletableFuture::join).filter(ranking -> !ranking.hits().isEmpty()).toList();
        });
    }

    private SearchSourceBuilder source(RetrieverConfig retriever, Understanding understanding) {
        return switch (retriever) {
            case RetrieverConfig.Lexical lexical -> null; // runs already
            case RetrieverConfig.Translated translated -> understanding.translations().isEmpty()
                ? null
                : searches.translated(translated, understanding.translations(), config.window());
            case RetrieverConfig.Knn knn -> knnSource(knn, understanding);
        };
    }

    private SearchSourceBuilder knnSource(RetrieverConfig.Knn knn, Understanding understanding) {
        try {
            VectorFields.Eligible eligible = engine.vectorFields()
                .eligible(request, knn.field(), understanding.embedder(), understanding.vector().length);
            eligible.refused().forEach(reason -> report.degraded(knn.key(), reason));
            return eligible.indices().isEmpty() ? null : searches.knn(knn, understanding.vector(), eligible, config.window());
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

    private Outcome fuse(Found lexical, List<Ranking> others) {
        List<Ranking> rankings = new ArrayList<>(others);
        for (RetrieverConfig retriever : config.retrievers()) {
            if (retriever instanceof RetrieverConfig.Lexical) rankings.add(Ranking.of(retriever, lexical));
        }
        List<Candidate> fused = Fusion.fuse(rankings, config.technique(), config.rankConstant(), config.window());
        List<RankedDoc> ranked = new ArrayList<>(fused.size());
        for (int i = 0; i < fused.size(); i++) ranked.add(new RankedDoc(fused.get(i), null, i + 1, Double.NaN, 0, fused.get(i).fusedScore()));
        return new Outcome(ranked, !others.isEmpty(), lexical);
    }

    private CompletableFuture<Outcome> rerank(Outcome fused, Understanding understanding) {
        if (config.rerank() == null || fused.ranked().isEmpty()) return CompletableFuture.completedFuture(fused);
        return new Reranking(engine, config, report, deadline, searches, callerContext).run(fused.ranked(), understanding.modelQuery())
            .thenApply(ranked -> ranked == null ? fused : new Outcome(ranked, true, fused.lexical()));
    }
}
