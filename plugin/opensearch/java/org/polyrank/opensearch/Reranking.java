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
        return fetch(top).thenComposeAsync(
            documents -> relevance(documents, modelQuery).thenApply(
                relevance -> relevance == null ? null : blend(fused, documents, relevance)
            ),
            callerContext
        );
    }

    /** The id of a document, null when it is gone since, and what the cross-encoder reads of it. */
    private record Document(String id, Map<String, Object> fields) {}

    /** Returns each document, in order; null when they could not be fetched. */
    private CompletableFuture<List<Document>> fetch(List<RankedDoc> top) {
        long since = System.nanoTime();
        List<DocKey> keys = top.stream().map(doc -> doc.candidate().doc()).toList();
        return searches.run("fetch", searches.fields(keys, config.rerank().sourcePaths())).handle((response, error) -> {
            report.took(Report.Stage.FETCH, since);
            if (error == null) return documents(keys, response);
            report.degraded("fetch", error);
            return null;
        });
    }

    private List<Document> documents(List<DocKey> keys, SearchResponse response) {
        Map<DocKey, Document> found = new HashMap<>();
        for (SearchHit hit : response.getHits().getHits()) {
            Map<String, Object> source = hit.hasSource() ? hit.getSourceAsMap() : Map.of();
            found.put(DocKey.of(hit), new Document(hit.getId(), DocumentFields.read(source, config.rerank().documentFields())));
        }
        return keys.stream().map(key -> found.getOrDefault(key, new Document(null, Map.of()))).toList();
    }

    /** Returns one score per document, NaN for a document without any text, which is not sent; null when the call failed. */
    private CompletableFuture<double[]> relevance(List<Document> documents, String modelQuery) {
        if (documents == null) return CompletableFuture.completedFuture(null);
        List<Integer> sent = new ArrayList<>();
        for (int i = 0; i < documents.size(); i++) if (!documents.get(i).fields().isEmpty()) sent.add(i);
        if (sent.isEmpty()) {
            report.degraded(STAGE, "no document has any of the paths in [rerank.document_fields]");
            return CompletableFuture.completedFuture(null);
        }
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("query", modelQuery);
        body.put("documents", sent.stream().map(i -> documents.get(i).fields()).toList());
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

    private List<RankedDoc> blend(List<RankedDoc> fused, List<Document> documents, double[] relevance) {
        List<RankedDoc> top = fused.subList(0, documents.size());
        RerankConfig rerank = config.rerank();
        double[] fusedScores = top.stream().mapToDouble(doc -> doc.candidate().fusedScore()).toArray();
        double[] finals = Blend.scores(fusedScores, relevance, rerank.weight(), rerank.normalization(), config.rankConstant());
        int[] ranks = Normalize.ranks(relevance);
        List<RankedDoc> ranked = new ArrayList<>(fused.size());
        for (int i = 0; i < top.size(); i++) {
            RankedDoc doc = top.get(i);
            ranked.add(new RankedDoc(doc.candidate(), documents.get(i).id(), doc.fusedRank(), relevance[i], ranks[i], finals[i]));
        }
        ranked.sort(Comparator.comparingDouble(RankedDoc::finalScore).reversed()); // stable: fused order among equals
        for (RankedDoc doc : fused.subList(top.size(), fused.size())) {
            ranked.add(new RankedDoc(doc.candidate(), null, doc.fusedRank(), Double.NaN, 0, Double.NaN));
        }
        return ranked;
    }
}
