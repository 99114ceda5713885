package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;

/** Lets the cross-encoder read the top of the fused window, best first, as far as time allows, and blends its scores in. */
final class Reranking {
    private static final String STAGE = "rerank";

    private final Engine engine;
    private final PipelineConfig config;
    private final PolyrankExt ext;
    private final Report report;
    private final Deadline deadline;
    private final CallerContext callerContext;

    Reranking(Engine engine, PipelineConfig config, PolyrankExt ext, Report report, Deadline deadline, CallerContext callerContext) {
        this.engine = engine;
        this.config = config;
        this.ext = ext;
        this.report = report;
        this.deadline = deadline;
        this.callerContext = callerContext;
    }

    /** How many documents of a window of this size it wants to read. */
    int wanted(int fused) {
        int window = Math.min(ext.rerankWindow(config.rerank().window()), fused);
        return config.rerank().adaptive() ? engine.throughput().fitting(window, deadline.remainingMs()) : window;
    }

    /** Returns the whole window, its top reranked, or null when that did not work out and the fused order stands. */
    CompletableFuture<List<RankedDoc>> run(List<RankedDoc> fused, List<WindowDocument> documents, String modelQuery) {
        if (deadline.isReached()) {
            report.degraded(STAGE, "no time left before the deadline");
            return CompletableFuture.completedFuture(null);
        }
        List<Map<String, Object>> fields = documents.stream().map(d -> DocumentFields.read(d.source(), config.rerank().documentFields())).toList();
        if (fields.stream().allMatch(Map::isEmpty)) {
            report.degraded(STAGE, "no document has any of the paths in [rerank.document_fields]");
            return CompletableFuture.completedFuture(null);
        }
        double[] relevance = new double[documents.size()];
        Arrays.fill(relevance, Double.NaN);
        return read(fields, modelQuery, 0, relevance).thenComposeAsync(read -> {
            if (read == 0) return CompletableFuture.completedFuture(null);
            List<RankedDoc> blended = blend(fused, documents, Arrays.copyOf(relevance, read));
            return explain(fused, documents, fields, relevance, modelQuery).thenApply(done -> blended);
        }, callerContext);
    }

    /** Reads the documents from `start` on, chunk by chunk, into `relevance`; returns how many it got through. */
    private CompletableFuture<Integer> read(List<Map<String, Object>> fields, String modelQuery, int start, double[] relevance) {
        if (start >= fields.size()) return CompletableFuture.completedFuture(start);
        int end = Math.min(start + config.rerank().chunk(), fields.size());
        List<Integer> sent = new ArrayList<>();
        for (int i = start; i < end; i++) if (!fields.get(i).isEmpty()) sent.add(i);
        if (sent.isEmpty()) return read(fields, modelQuery, end, relevance);
        Map<String, Object> body = new LinkedHashMap<>();
        body.put("query", modelQuery);
        body.put("documents", sent.stream().map(fields::get).toList());
        if (!config.rerank().cache()) body.put("cache", false);
        body.put("anytime", true);
        long since = System.nanoTime();
        return deadline.watch(engine.services().call("/rerank", body, deadline, answer -> RerankAnswer.read(answer, sent.size())))
            .handle((answer, error) -> {
                report.took(Report.Stage.RERANK, since);
                report.took(Report.Stage.SERVICE, since);
                if (error != null) {
                    report.degraded(STAGE, (start == 0 ? "" : start + " of " + fields.size() + " documents read: ") + Report.inWords(error));
                    return start;
                }
                report.cached(answer.cached());
                int computed = answer.scored() - answer.cached();
                if (computed > 0) engine.throughput().observe(computed, (System.nanoTime() - since) / 1e6);
                double[] scores = answer.scores();
                int read = 0; // what lies behind a document that there was no time for would be ranked by that
                while (read < scores.length && !Double.isNaN(scores[read])) relevance[sent.get(read)] = scores[read++];
                if (read == scores.length) return end;
                report.degraded(STAGE, sent.get(read) + " of " + fields.size() + " documents read: the service's time was up");
                return sent.get(read);
            })
            .thenComposeAsync(
                reached -> reached == end ? read(fields, modelQuery, end, relevance) : CompletableFuture.completedFuture(reached),
                callerContext
            );
    }

    /** Has what the request asks about explained, once the ranking stands; without time for it the ranking is all there is. */
    private CompletableFuture<Void> explain(
        List<RankedDoc> fused,
        List<WindowDocument> documents,
        List<Map<String, Object>> fields,
        double[] relevance,
        String modelQuery
    ) {
        List<String> ids = ext.explained();
        int[] asked = IntStream.range(0, relevance.length).filter(i -> ids.contains(documents.get(i).id()) && !Double.isNaN(relevance[i])).toArray();
        Occlusion occlusion = new Occlusion(Arrays.stream(asked).mapToObj(fields::get).toList());
        if (occlusion.texts().isEmpty()) return CompletableFuture.completedFuture(null);
        Map<String, Object> body = Map.of("query", modelQuery, "documents", occlusion.texts());
        long since = System.nanoTime();
        return deadline.watch(engine.services().call("/rerank", body, deadline, answer -> RerankAnswer.scores(answer, occlusion.texts().size())))
            .handle((scores, error) -> {
                report.took(Report.Stage.SERVICE, since);
                if (error != null) {
                    report.degraded("explain", error);
                    return null;
                }
                List<Map<String, Object>> effects = occlusion.effects(Arrays.stream(asked).mapToDouble(i -> relevance[i]).toArray(), scores);
                for (int i = 0; i < asked.length; i++) report.explained(fused.get(asked[i]).candidate().doc(), effects.get(i));
                return null;
            });
    }

    private List<RankedDoc> blend(List<RankedDoc> fused, List<WindowDocument> documents, double[] relevance) {
        report.reranked(relevance.length);
        List<RankedDoc> top = fused.subList(0, relevance.length);
        RerankConfig rerank = config.rerank();
        double[] fusedScores = top.stream().mapToDouble(doc -> doc.candidate().fusedScore()).toArray();
        double[] calibrated = rerank.calibration().of(relevance);
        double[] finals = Blend.scores(fusedScores, calibrated, rerank.weight(), rerank.normalization(), config.rankConstant());
        int[] ranks = Normalize.ranks(relevance);
        List<RankedDoc> ranked = new ArrayList<>(fused.size());
        for (int i = 0; i < top.size(); i++) {
            RankedDoc doc = top.get(i);
            ranked.add(new RankedDoc(doc.candidate(), documents.get(i).id(), doc.fusedRank(), relevance[i], ranks[i], finals[i]));
        }
        ranked.sort(Comparator.comparingDouble(RankedDoc::finalScore).reversed()); // stable: fused order among equals
        int topK = Math.min(ext.topK(rerank.topK()), ranked.size());
        ranked.subList(topK, ranked.size()).sort(Comparator.comparingInt(RankedDoc::fusedRank));
        for (RankedDoc doc : fused.subList(top.size(), fused.size())) {
            ranked.add(new RankedDoc(doc.candidate(), null, doc.fusedRank(), Double.NaN, 0, Double.NaN));
        }
        return ranked;
    }
}
