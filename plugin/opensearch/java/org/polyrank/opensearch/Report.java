package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletionException;
import org.opensearch.OpenSearchException;
import org.opensearch.search.SearchHit;
import org.opensearch.tasks.Task;
import org.opensearch.threadpool.ThreadPool;

/** What happened to one search, from the request processor to the response section. Stages report from several threads. */
final class Report {
    static final String ATTRIBUTE = "polyrank.report";

    enum Stage {
        UNDERSTAND,
        LEXICAL,
        RETRIEVE,
        FETCH,
        RERANK,
        SERVICE,
        TRANSLATE,
        TOTAL;

        String key() {
            return name().toLowerCase(java.util.Locale.ROOT);
        }
    }

    private final long startNanos;
    private final int window;
    private final Map<Stage, Long> nanos = new LinkedHashMap<>();
    private final Set<String> degraded = new LinkedHashSet<>();
    private Task task;
    private int limitMs;
    private String skipped;
    private String query;
    private String queryClass;
    private Understanding understanding;
    private Map<Float, Integer> positions = Map.of();
    private List<RankedDoc> ranked = List.of();
    private String rerankSkipped;
    private int reranked;
    private int cached;
    private Map<String, Object> spread = Map.of();
    private final List<Map<String, Object>> applied = new ArrayList<>();
    private final List<Map<String, Object>> left = new ArrayList<>();
    private final Map<DocKey, Map<String, String>> effects = new HashMap<>();
    private final Map<DocKey, Map<String, Object>> explained = new HashMap<>();
    private final Map<DocKey, Map<String, Object>> business = new HashMap<>();
    private String reranker;
    private String weightsOf;
    private String unread;

    /** `startNanos`: when the search came, by the clock of {@link System#nanoTime}. */
    Report(int window, long startNanos) {
        this.window = window;
        this.startNanos = startNanos;
    }

    /** The search's task and its time limit, in ms from its arrival. */
    synchronized void started(Task searchTask, int deadlineMs) {
        task = searchTask;
        limitMs = deadlineMs;
    }

    /** The limit of what is still to be done when the last search is over. */
    synchronized Deadline restOfTime(ThreadPool threadPool) {
        return new Deadline(threadPool, task, limitMs, startNanos + limitMs * 1_000_000L);
    }

    synchronized boolean isSkipped() {
        return skipped != null;
    }

    synchronized void query(String text) {
        query = text;
    }

    /** See {@link QueryClass}; null without a text. Told once: it is asked for where a search waits, and again where it is waited for. */
    synchronized String queryClass() {
        if (queryClass == null && query != null) queryClass = QueryClass.of(query);
        return queryClass;
    }

    synchronized void skipped(String reason) {
        skipped = reason;
    }

    /** Why this query was not reranked though the pipeline reranks. */
    synchronized void rerankSkipped(String reason) {
        rerankSkipped = reason;
    }

    /** How many documents the cross-encoder has read. */
    synchronized void reranked(int documents) {
        reranked = documents;
    }

    /** How many more of them had been read before. */
    synchronized void cached(int documents) {
        cached += documents;
    }

    /** Which bundle has read them, as the service names it. */
    synchronized void reranker(String model) {
        reranker = model;
    }

    /** Why this query has weights of its own. */
    synchronized void weightsOf(String reason) {
        weightsOf = reason;
    }

    /** What becomes of the vectors of a query that the embedder does not read. */
    synchronized void unread(String reason) {
        unread = reason;
    }

    /** The shop's own number of one document, and its rank by that in the rerank window. */
    synchronized void business(DocKey doc, int rank, double number) {
        business.put(doc, rankAndScore(rank, number));
    }

    /** How varied the first page is, by field. */
    synchronized void spread(Map<String, Object> byField) {
        spread = byField;
    }

    /** What the policy's rules did to one document. */
    synchronized void effects(DocKey doc, Map<String, String> rules) {
        effects.put(doc, rules);
    }

    /** What carried the cross-encoder's score of one document. */
    synchronized void explained(DocKey doc, Map<String, Object> occlusion) {
        explained.put(doc, occlusion);
    }

    synchronized void understanding(Understanding answer) {
        understanding = answer;
    }

    /** Attributes and expansions that are in use, and those that are not. */
    synchronized void applied(List<Map<String, Object>> used, List<Map<String, Object>> unused) {
        applied.addAll(used);
        left.addAll(unused);
    }

    /** The caller's own order stands, so nothing is in use. */
    synchronized void nothingApplied() {
        for (Map<String, Object> one : applied) left.add(AttributePlan.with(one, "reason", "the caller's own order stands"));
        applied.clear();
    }

    synchronized void degraded(String stage, String reason) {
        degraded.add(stage + ": " + reason);
    }

    synchronized void degraded(String stage, Throwable error) {
        degraded(stage, inWords(error));
    }

    /** The query's language, or null. */
    synchronized String language() {
        return understanding == null ? null : understanding.languageCode();
    }

    /** For an error that the stage it happened in may have reported already. */
    synchronized void unlessDegraded(String stage, Throwable error) {
        if (degraded.isEmpty()) degraded(stage, error);
    }

    /** Adds the time since `sinceNanos` to a stage. */
    synchronized void took(Stage stage, long sinceNanos) {
        nanos.merge(stage, System.nanoTime() - sinceNanos, Long::sum);
    }

    /** `scores`: what each ranked document gets in the last search, by which its hit is known again. */
    synchronized void ranked(List<RankedDoc> docs, float[] scores) {
        ranked = docs;
        positions = new HashMap<>();
        for (int i = 0; i < scores.length; i++) positions.putIfAbsent(scores[i], i);
    }

    private static float score(SearchHit hit) {
        boolean sorted = Float.isNaN(hit.getScore()) && hit.getSortValues().length > 0;
        return sorted && hit.getSortValues()[0] instanceof Float score ? score : hit.getScore();
    }

    /** The innermost cause in one line; OpenSearch wraps the sentence that helps in several that do not. */
    static String inWords(Throwable error) {
        Throwable cause = error;
        while (cause.getCause() != null && cause.getCause() != cause) cause = cause.getCause();
        if (cause instanceof CompletionException || cause.getMessage() == null) return cause.getClass().getSimpleName();
        boolean ours = cause instanceof ServiceException || cause instanceof Deadline.Reached || cause instanceof OpenSearchException;
        return ours ? cause.getMessage() : cause.getClass().getSimpleName() + ": " + cause.getMessage();
    }

    /** The content of `ext.polyrank`; `from` is the rank before the first of `page`. */
    synchronized Map<String, Object> toMap(SearchHit[] page, int from) {
        took(Stage.TOTAL, startNanos);
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("query", query);
        map.put("model_query", understanding == null ? query : understanding.modelQuery());
        map.put("language", understanding == null ? null : understanding.language());
        map.put("translations", understanding == null ? Map.of() : understanding.translationDetails());
        if (!applied.isEmpty() || !left.isEmpty()) map.put("understanding", Map.of("applied", List.copyOf(applied), "left", List.copyOf(left)));
        map.put("degraded", degraded.isEmpty() ? null : String.join("; ", degraded));
        map.put("skipped", skipped);
        Map<String, Object> timings = new LinkedHashMap<>();
        for (Stage stage : Stage.values()) if (nanos.containsKey(stage)) timings.put(stage.key(), Math.round(nanos.get(stage) / 1e4) / 100.0);
        map.put("timings_ms", timings);
        map.put("window", window);
        map.put("query_class", queryClass());
        map.put("read", understanding == null ? null : Map.of("embedder", understanding.readByEmbedder(), "reranker", understanding.readByReranker()));
        map.put("weights_of", weightsOf);
        map.put("unread", unread);
        map.put("rerank_skipped", rerankSkipped);
        map.put("reranked", reranked);
        map.put("cached", cached);
        map.put("reranker", reranker);
        if (!spread.isEmpty()) map.put("spread", spread);
        List<Object> hits = new ArrayList<>();
        if (skipped == null) for (int i = 0; i < page.length; i++) hits.add(hit(page[i], from + i + 1));
        map.put("hits", hits);
        return map;
    }

    private Map<String, Object> hit(SearchHit hit, int place) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("_index", hit.getIndex());
        map.put("_id", hit.getId());
        Integer position = positions.get(score(hit));
        if (position == null) { // the lexical tail behind the window, or lexical order alone
            map.put("ranks", Map.of());
            map.put("scores", Map.of());
            map.put("fused", null);
            map.put("rerank", null);
            map.put("final", rankAndScore(place, Double.NaN));
            return map;
        }
        RankedDoc doc = ranked.get(position);
        map.put("ranks", doc.candidate().ranks());
        map.put("scores", doc.candidate().scores());
        map.put("fused", rankAndScore(doc.fusedRank(), doc.candidate().fusedScore()));
        map.put("rerank", doc.rerankRank() == 0 ? null : rankAndScore(doc.rerankRank(), doc.relevance()));
        Map<String, Object> own = business.get(doc.candidate().doc());
        if (own != null) map.put("business", own);
        map.put("final", rankAndScore(position + 1, doc.finalScore()));
        Map<String, String> rules = effects.get(doc.candidate().doc());
        if (rules != null) map.put("policy", new LinkedHashMap<>(rules));
        Map<String, Object> occlusion = explained.get(doc.candidate().doc());
        if (occlusion != null) map.put("occlusion", occlusion);
        return map;
    }

    private static Map<String, Object> rankAndScore(int rank, double score) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("rank", rank);
        map.put("score", Double.isNaN(score) ? null : score);
        return map;
    }
}
