package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import org.opensearch.search.SearchHit;
import org.opensearch.search.builder.SearchSourceBuilder;

/** What follows the fusion: reads the documents once, reranks, then applies the shop's policy. */
final class AfterFusion {
    private final PipelineConfig config;
    private final PolyrankExt ext;
    private final String queryText;
    private final Report report;
    private final SubSearches searches;
    private final Reranking reranking;
    private final CallerContext callerContext;

    AfterFusion(
        PipelineConfig config,
        PolyrankExt ext,
        String queryText,
        Report report,
        SubSearches searches,
        Reranking reranking,
        CallerContext callerContext
    ) {
        this.config = config;
        this.ext = ext;
        this.queryText = queryText;
        this.report = report;
        this.searches = searches;
        this.reranking = reranking;
        this.callerContext = callerContext;
    }

    /** Whether anything here can change the fused order of this query. */
    boolean reorders(Understanding understanding) {
        return config.policy() != null || config.rerank() != null && understanding != null && skip(understanding) == null;
    }

    /** How many of a window of this size the cross-encoder alone is to read; 0 when it is not asked, or when others read as well. */
    int reads(Understanding understanding, int window) {
        boolean alone = config.policy() == null && config.rerank() != null && understanding != null && skip(understanding) == null;
        return alone ? reranking.wanted(window) : 0;
    }

    /** Why this query is not reranked, or null. */
    private String skip(Understanding understanding) {
        String reason = config.rerank().skip().reason(understanding.languageCode(), report.queryClass());
        return reason == null ? config.unread().rerankSkipped(understanding) : reason;
    }

    /**
     * Returns the window in its final order, or null when the fused order stands.
     *
     * @param known documents that are read already
     * @param understanding null when the service was lost
     */
    CompletableFuture<List<RankedDoc>> run(List<RankedDoc> fused, Map<DocKey, WindowDocument> known, Understanding understanding) {
        String language = understanding == null ? null : understanding.languageCode();
        boolean reranks = config.rerank() != null && understanding != null;
        String skip = reranks ? skip(understanding) : null;
        if (skip != null) report.rerankSkipped(skip);
        boolean wanted = reranks && skip == null;
        boolean moves = config.policy() != null;
        if (fused.isEmpty() || !wanted && !moves) return CompletableFuture.completedFuture(null);
        int read = wanted ? reranking.wanted(fused.size()) : 0;
        return documents(moves ? fused : fused.subList(0, read), known, wanted).thenComposeAsync(documents -> {
            if (documents == null) return CompletableFuture.completedFuture(null);
            CompletableFuture<List<RankedDoc>> reranked = wanted
                ? reranking.run(fused, documents.subList(0, read), understanding.modelQuery(), understanding.languageRead(queryText))
                : CompletableFuture.completedFuture(null);
            if (!moves) return reranked;
            CompletableFuture<double[]> taste = taste();
            return reranked.thenCombineAsync(taste, (ranked, liked) -> moved(ranked == null ? fused : ranked, fused, documents, language, liked), callerContext);
        }, callerContext);
    }

    private List<RankedDoc> moved(List<RankedDoc> ranked, List<RankedDoc> fused, List<WindowDocument> documents, String language, double[] taste) {
        Map<DocKey, WindowDocument> byKey = new HashMap<>();
        for (int i = 0; i < documents.size(); i++) byKey.put(fused.get(i).candidate().doc(), documents.get(i));
        List<WindowDocument> inOrder = ranked.stream().map(doc -> byKey.get(doc.candidate().doc())).toList();
        return Policy.apply(config, ranked, inOrder, queryText, language, profile(), taste, report);
    }

    /** Returns each document, in order; null when some were not known and could not be fetched. */
    private CompletableFuture<List<WindowDocument>> documents(List<RankedDoc> top, Map<DocKey, WindowDocument> known, boolean reranks) {
        List<DocKey> keys = top.stream().map(doc -> doc.candidate().doc()).toList();
        List<Candidate> missing = top.stream().map(RankedDoc::candidate).filter(one -> !known.containsKey(one.doc())).toList();
        CompletableFuture<Map<DocKey, WindowDocument>> all = missing.isEmpty()
            ? CompletableFuture.completedFuture(known)
            : fetch(missing, reranks).thenApply(found -> merged(known, found));
        return all.thenApply(found -> found == null ? null : keys.stream().map(key -> found.getOrDefault(key, WindowDocument.GONE)).toList());
    }

    private static Map<DocKey, WindowDocument> merged(Map<DocKey, WindowDocument> known, Map<DocKey, WindowDocument> found) {
        if (found != null) found.putAll(known);
        return found;
    }

    /** Returns those of the documents that are there; null when they could not be fetched. */
    private CompletableFuture<Map<DocKey, WindowDocument>> fetch(List<Candidate> missing, boolean reranks) {
        long since = System.nanoTime();
        List<String> paths = sourcePaths(reranks);
        SearchSourceBuilder source = searches.fields(missing, paths, config.policy() == null ? List.of() : config.policy().boosts());
        return searches.run("fetch", source).handle((response, error) -> {
            report.took(Report.Stage.FETCH, since);
            if (error != null) {
                report.degraded("fetch", error);
                return null;
            }
            Map<DocKey, WindowDocument> found = new HashMap<>();
            for (SearchHit hit : response.getHits().getHits()) found.put(DocKey.of(hit), WindowDocument.of(hit));
            return found;
        });
    }

    /** What is read of a document. */
    List<String> sourcePaths(boolean reranks) {
        Set<String> paths = new TreeSet<>();
        if (reranks) paths.addAll(config.rerank().sourcePaths());
        if (config.policy() != null) paths.addAll(config.policy().sourcePaths());
        return List.copyOf(paths);
    }

    private Profile profile() {
        return config.policy().personal() == null ? null : ext.profile();
    }

    /** The direction of what the shopper likes, away from what she does not; null without a profile of products. */
    private CompletableFuture<double[]> taste() {
        Profile profile = profile();
        boolean asked = profile != null && config.policy().personal().vectorField() != null;
        if (!asked || profile.liked().isEmpty() && profile.disliked().isEmpty()) return CompletableFuture.completedFuture(null);
        String field = config.policy().personal().vectorField();
        List<String> ids = new ArrayList<>(profile.liked());
        ids.addAll(profile.disliked());
        return searches.run("personal", searches.byId(ids, field)).handle((response, error) -> {
            if (error != null) {
                report.degraded("personal", error);
                return null;
            }
            List<double[]> vectors = new ArrayList<>();
            for (SearchHit hit : response.getHits().getHits()) {
                double[] vector = WindowDocument.of(hit).vector(field);
                if (vector == null) continue;
                if (profile.disliked().contains(hit.getId())) for (int i = 0; i < vector.length; i++) vector[i] = -vector[i];
                vectors.add(vector);
            }
            return Vectors.centre(vectors);
        });
    }
}
