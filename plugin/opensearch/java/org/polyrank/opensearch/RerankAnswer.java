package org.polyrank.opensearch;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * An answer of /rerank (Cohere's shape).
 *
 * @param scores one finite score per document, in the order sent; NaN for what the service had no time for
 * @param cached how many of them the service had given before; they say nothing about how fast it reads
 * @param model names of the bundle that has read them: its name and its fingerprint, as far as the service tells
 */
record RerankAnswer(double[] scores, int cached, List<String> model) {
    /** Reads and checks it; throws as {@link #scores}. */
    static RerankAnswer read(Map<String, Object> answer, int documents) {
        double[] scores = scores(answer, documents);
        Map<?, ?> meta = answer.get("meta") instanceof Map<?, ?> map ? map : Map.of();
        int cached = meta.get("cached") instanceof Integer number && number >= 0 && number <= documents ? number : 0;
        List<String> model = Stream.of("model", "fingerprint").map(meta::get).filter(String.class::isInstance).map(String.class::cast).toList();
        return new RerankAnswer(scores, cached, model);
    }

    /** How many documents have a score. */
    int scored() {
        return (int) Arrays.stream(scores).filter(score -> !Double.isNaN(score)).count();
    }

    /**
     * Returns one finite score per document, in the order sent; NaN for those that a service says it had no time for (`meta.partial`).
     * Throws IllegalArgumentException, which says what is wrong, unless the answer holds each other index exactly once: half an answer
     * would rank documents by whether they were answered.
     */
    static double[] scores(Map<String, Object> answer, int documents) {
        if (!(answer.get("results") instanceof List<?> results)) throw new IllegalArgumentException("results is not a list");
        double[] scores = new double[documents];
        Arrays.fill(scores, Double.NaN);
        for (Object item : results) {
            if (!(item instanceof Map<?, ?> result)) throw new IllegalArgumentException("results holds something that is not an object");
            if (!(result.get("index") instanceof Integer index) || index < 0 || index >= documents) {
                throw new IllegalArgumentException("index [" + result.get("index") + "] is not one of the " + documents + " documents");
            }
            if (!Double.isNaN(scores[index])) throw new IllegalArgumentException("index [" + index + "] comes twice");
            if (!(result.get("relevance_score") instanceof Number number) || !Double.isFinite(number.doubleValue())) {
                throw new IllegalArgumentException("relevance_score of index [" + index + "] is not a finite number");
            }
            scores[index] = number.doubleValue();
        }
        boolean partial = answer.get("meta") instanceof Map<?, ?> meta && meta.get("partial") != null;
        if (results.size() != documents && !partial) throw new IllegalArgumentException(results.size() + " of " + documents + " documents are scored");
        return scores;
    }
}
