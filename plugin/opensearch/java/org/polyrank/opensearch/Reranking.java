package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.search.SearchHit;

/** Lets the cross-encoder read the top of the fused window and blends its scores in. */
final class Reranking {
    private static final String STAGE = "rerank";

    private final Engine engine;
    private final PipelineConfig config;
    private final Report report;
    private final Deadline deadline;
    private final SubSearches searches;
    private final CallerContext callerContext;

    Reranking(Engine engine, PipelineConfig config, Report report, Deadline deadline, SubSearches searches, CallerContext callerContext) {
        this.engine = engine;
        this.config = config;
        this.report = report;
        this.deadline = deadline;
        this.searches = searches;
        this.callerContext = callerContext;
    }

    /** Returns the whole window, its top reranked, or null when that did not work out and the fused order stands. */
    CompletableFuture<List<RankedDoc>> run(List<RankedDoc> fused, String modelQuery) {
        if (deadline.isReached()) {
            report.degraded(STAGE, "no time left before the deadline");
            return CompletableFuture.completedFuture(null);
        }
        List<RankedDoc> top = fused.subList(0, Math.min(config.rerank().window(), fused.size()));
        return fetch(top).thenComposeAsync(documents -> relevance(documents, modelQuery), callerContext)
            .thenApply(relevance -> relevance == null ? null : blend(fused, top, relevance));
    }

    /** Returns the template fields of each document, in order; null when they could not be fetched. */
    private CompletableFuture<List<Map<String, Object>>> fetch(List<RankedDoc> top) {
        long since = System.nanoTime();
        List<DocKey> keys = top.stream().map(doc -> doc.candidate().doc()).toList();
        return searches.run("fetch", searches.fields(keys, config.rerank().sourcePaths())).handle((response, error) -> {
            report.took(Report.Stage.FETCH, since);
            if (error == null) return documents(keys, response);
            report.degraded("fetch", error);
            return null;
        });
    }

    private List<Map<String, Object>> documents(List<DocKey> keys, SearchResponse response) {
        Map<DocKey, Map<String, Object>> sources = new HashMap<>();
        for (SearchHit hit : response.getHits().getHits()) {
            if (hit.hasSource()) sources.put(new DocKey(hit.getIndex(), hit.getId()), hit.getSourceAsMap());
        }
        return keys.stream().map(key -> DocumentFields.read(sources.getOrDefault(key, Map.of()), config.rerank().documentFields())).toList();
    }

    /** Returns one score per document, NaN for a document without any text, which is not sent; null when the call failed. */
    private CompletableFuture<double[]> relevance(List<Map<String, Object>> documents, String modelQuery) {
        if (documents == null) return CompletableFuture.completedFuture(null);
        List<Integer> sent = new ArrayList<>();
        for (int i = 0; i < documents.size(); i++) if (!documents.get(i).isEmpty()) sent.add(i);
        if (sent.isEmpty()) {
            report.degraded(STAGE, "no document has any of the paths in [rerank.document_fields]");
            return CompletableFuture.completedFuture(null);
        }
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("query", modelQuery);
        body.put("documents", sent.stream().map(documents::get).toList());
        long since = System.nanoTime();
        return deadline.watch(engine.services().call("/rerank", body, deadline, answer -> RerankAnswer.scores(answer, sent.size())))
            .handle((scores, error) -> {
                report.took(Report.Stage.RERANK, since);
                report.took(Report.Stage.SERVICE, since);
                if (error != null) {
                    report.degraded(STAGE, error);
                    return null;
                }
                double[] relevance = new double[documents.size()];
                Arrays.fill(relevance, Double.NaN);
                for (int i = 0; i < scores.length; i++) relevance[sent.get(i)] = scores[i];
                return relevance;
            });
    }

    private List<RankedDoc> blend(List<RankedDoc> fused, List<RankedDoc> top, double[] relevance) {
        RerankConfig rerank = config.rerank();
        double[] fusedScores = top.stream().mapToDouble(doc -> doc.candidate().fusedScore()).toArray();
        double[] finals = Blend.scores(fusedScores, relevance, rerank.weight(), rerank.normalization(), config.rankConstant());
        int[] ranks = Normalize.ranks(relevance);
        List<RankedDoc> ranked = new ArrayList<>(fused.size());
        for (int i = 0; i < top.size(); i++) {
            RankedDoc doc = top.get(i);
            ranked.add(new RankedDoc(doc.candidate(), doc.fusedRank(), relevance[i], ranks[i], finals[i]));
        }
        ranked.sort(Comparator.comparingDouble(RankedDoc::finalScore).reversed()); // stable: fused order among equals
        for (RankedDoc doc : fused.subList(top.size(), fused.size())) {
            ranked.add(new RankedDoc(doc.candidate(), doc.fusedRank(), Double.NaN, 0, Double.NaN));
        }
        return ranked;
    }
}
