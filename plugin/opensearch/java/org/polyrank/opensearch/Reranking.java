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

    /**
     * Returns the whole window, its top reranked, or null when that did not work out and the fused order stands.
     * `language`: that of `modelQuery`, or null when it is not known.
     */
    CompletableFuture<List<RankedDoc>> run(List<RankedDoc> fused, List<WindowDocument> documents, String modelQuery, String language) {
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
        Map<String, Object> question = new LinkedHashMap<>(Map.of("query", modelQuery));
        if (config.rerank().model() != null) question.put("model", config.rerank().model());
        if (language != null) question.put("language", language);
        return read(fields, question, 0, relevance).thenComposeAsync(reached -> {
            if (Arrays.stream(relevance).allMatch(Double::isNaN)) return CompletableFuture.completedFuture(null);
            List<RankedDoc> blended = blend(fused, documents, relevance, reached);
            return explain(fused, documents, fields, relevance, question).thenApply(done -> blended);
        }, callerContext);
    }

    /**
     * Reads the documents from `start` on, chunk by chunk, into `relevance`; returns how many it got through without a gap. Behind them
     * may be others that have a score: the service knew it, or a second worker of it was faster.
     */
    private CompletableFuture<Integer> read(List<Map<String, Object>> fields, Map<String, Object> question, int start, double[] relevance) {
        if (start >= fields.size()) return CompletableFuture.completedFuture(start);
        int end = Math.min(start + config.rerank().chunk(), fields.size());
        List<Integer> sent = new ArrayList<>();
        for (int i = start; i < end; i++) if (!fields.get(i).isEmpty()) sent.add(i);
        if (sent.isEmpty()) return read(fields, question, end, relevance);
        Map<String, Object> body = new LinkedHashMap<>(question);
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
                tellModel(answer.model());
                int computed = answer.scored() - answer.cached();
                if (computed > 0) engine.throughput().observe(computed, (System.nanoTime() - since) / 1e6);
                double[] scores = answer.scores();
                for (int i = 0; i < scores.length; i++) relevance[sent.get(i)] = scores[i];
                if (answer.scored() == scores.length) return end;
                int gap = sent.stream().filter(i -> Double.isNaN(relevance[i])).findFirst().orElseThrow();
                int read = placesRead(relevance, gap).length;
                report.degraded(STAGE, read + " of " + fields.size() + " documents read: the service's time was up");
                return gap;
            })
            .thenComposeAsync(
                reached -> reached == end ? read(fields, question, end, relevance) : CompletableFuture.completedFuture(reached),
                callerContext
            );
    }

    private void tellModel(List<String> read) {
        if (read.isEmpty()) return; // a service that does not tell
        report.reranker(read.get(0));
        String wanted = config.rerank().model();
        if (wanted != null && !read.contains(wanted)) report.degraded(STAGE, "the service has no model [" + wanted + "]: " + read.get(0) + " has read");
    }

    /** Has what the request asks about explained, once the ranking stands; without time for it the ranking is all there is. */
    private CompletableFuture<Void> explain(
        List<RankedDoc> fused,
        List<WindowDocument> documents,
        List<Map<String, Object>> fields,
        double[] relevance,
        Map<String, Object> question
    ) {
        List<String> ids = ext.explained();
        int[] asked = IntStream.range(0, relevance.length).filter(i -> documents.get(i).isOneOf(ids) && !Double.isNaN(relevance[i])).toArray();
        Occlusion occlusion = new Occlusion(Arrays.stream(asked).mapToObj(fields::get).toList());
        if (occlusion.texts().isEmpty()) return CompletableFuture.completedFuture(null);
        Map<String, Object> body = new LinkedHashMap<>(question);
        body.put("documents", occlusion.texts());
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

    /** The fused places, from 0, of what is reranked: all up to the first gap, and behind it what has a score. */
    private static int[] placesRead(double[] relevance, int reached) {
        return IntStream.range(0, relevance.length).filter(i -> i < reached || !Double.isNaN(relevance[i])).toArray();
    }

    /** Reorders what was read among the places it has; what was not read is neither helped nor harmed by that and keeps its own. */
    private List<RankedDoc> blend(List<RankedDoc> fused, List<WindowDocument> documents, double[] relevance, int reached) {
        int[] places = placesRead(relevance, reached);
        report.reranked(places.length);
        double[] read = Arrays.stream(places).mapToDouble(place -> relevance[place]).toArray();
        double[] fusedScores = Arrays.stream(places).mapToDouble(place -> fused.get(place).candidate().fusedScore()).toArray();
        RerankConfig rerank = config.rerank();
        double[] calibrated = rerank.calibration().of(read);
        double[] finals = Blend.scores(fusedScores, calibrated, rerank.weight(), rerank.normalization(), config.rankConstant());
        if (rerank.business() != null) finals = withBusiness(finals, places, fused, documents);
        int[] ranks = Normalize.ranks(read);
        List<RankedDoc> reranked = new ArrayList<>(places.length);
        for (int i = 0; i < places.length; i++) {
            RankedDoc doc = fused.get(places[i]);
            reranked.add(new RankedDoc(doc.candidate(), documents.get(places[i]).id(), doc.fusedRank(), read[i], ranks[i], finals[i]));
        }
        reranked.sort(Comparator.comparingDouble(RankedDoc::finalScore).reversed()); // stable: fused order among equals
        int topK = Math.min(ext.topK(rerank.topK()), reranked.size());
        reranked.subList(topK, reranked.size()).sort(Comparator.comparingInt(RankedDoc::fusedRank));
        List<RankedDoc> ranked = new ArrayList<>(fused.size());
        for (RankedDoc doc : fused) ranked.add(new RankedDoc(doc.candidate(), null, doc.fusedRank(), Double.NaN, 0, Double.NaN));
        for (int i = 0; i < places.length; i++) ranked.set(places[i], reranked.get(i));
        return ranked;
    }

    private double[] withBusiness(double[] blended, int[] places, List<RankedDoc> fused, List<WindowDocument> documents) {
        BusinessScore score = config.rerank().business();
        double[] numbers = score.of(Arrays.stream(places).mapToObj(documents::get).toList());
        int[] ranks = Normalize.ranks(numbers);
        for (int i = 0; i < places.length; i++) {
            if (ranks[i] > 0) report.business(fused.get(places[i]).candidate().doc(), ranks[i], documents.get(places[i]).number(score.field()));
        }
        return Blend.with(numbers, score.weight(), blended, config.rerank().normalization(), config.rankConstant());
    }
}
