package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.search.TopDocs;
import org.apache.lucene.search.TotalHits;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.search.SearchType;
import org.opensearch.common.lucene.search.TopDocsAndMaxScore;
import org.opensearch.common.unit.TimeValue;
import org.opensearch.common.util.concurrent.AtomicArray;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.search.SearchPhaseResult;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.internal.SearchContext;
import org.opensearch.search.query.QuerySearchResult;

/**
 * A fused page with one search less: the kNN search is not run before the last search, it is the last search. Its query phase also looks
 * up the lexical hits that may come on the page ({@link LookedUp}), {@link FusedPage} puts the fused page in place of what was found, and the
 * fetch phase goes on with that. A round that a shard did not answer in full puts nothing: the search then runs again the longer way.
 */
final class PageRound {
    private static final Logger LOG = LogManager.getLogger(PageRound.class);
    /** Under this key a search's pipeline context holds its round. */
    static final String ATTRIBUTE = "polyrank.page_round";

    /** Where a document is: the place of its shard among the results, Lucene's number there; whether the lexical query matches it. */
    private record Place(int shard, int doc, boolean lexical) {}

    private record Scored(Place place, float score) {}

    private final RetrieverConfig.Knn knn;
    private final QueryBuilder knnQuery;
    private final Found lexical;
    private final QueryBuilder naming;
    private final Function<Ranking, HybridSearch.Outcome> fusion;
    private final Report report;
    private final long sinceNanos = System.nanoTime();
    private int from;
    private int size;
    private int countUpTo;
    private SearchSourceBuilder fetched;
    private volatile boolean done;
    private TotalHits total;

    /**
     * @param knnQuery finds the neighbours, within the caller's conditions
     * @param lexical what the caller's own query found
     * @param naming the caller's own query when hits get names or inner hits of it, else null
     * @param fusion makes the window of both
     */
    PageRound(
        RetrieverConfig.Knn knn,
        QueryBuilder knnQuery,
        Found lexical,
        QueryBuilder naming,
        Function<Ranking, HybridSearch.Outcome> fusion,
        Report report
    ) {
        this.knn = knn;
        this.knnQuery = knnQuery;
        this.lexical = lexical;
        this.naming = naming;
        this.fusion = fusion;
        this.report = report;
    }

    /** Whether a search of this kind can be answered by a round, as far as its request and its pipeline tell. */
    static boolean suits(SearchRequest request, PipelineConfig config) {
        SearchSourceBuilder source = request.source();
        return config.queryPipeline() == null
            && config.lexicalRetriever() != null
            && request.searchType() == SearchType.QUERY_THEN_FETCH
            && ShortPage.isPlain(request)
            && ShortPage.endOfPage(request) <= config.window()
            && source.sorts() == null // an empty list would be shared with the copies of the request
            && (source.rescores() == null || source.rescores().isEmpty())
            && source.indexBoosts().isEmpty()
            && source.timeout() == null;
    }

    /** Whether the page can be told from these lexical hits and what the kNN search will find. */
    static boolean suffices(SearchRequest request, RetrieverConfig.Knn knn, Found lexical, int window) {
        int end = ShortPage.endOfPage(request);
        return lexical.whole()
            && lexical.shards() > 1 // one alone fetches before it can be told what
            && (lexical.hits().size() >= end || lexical.hits().size() < window) // no tail behind them
            && LookedUp.fits(knn.k(), end + ShortPage.SPARE);
    }

    /** Rewrites the caller's request. */
    void start(SearchRequest request, long remainingMs) {
        SearchSourceBuilder source = request.source();
        int end = ShortPage.endOfPage(request);
        from = Math.max(0, source.from());
        size = end - from;
        countUpTo = source.trackTotalHitsUpTo() == null ? SearchContext.DEFAULT_TRACK_TOTAL_HITS_UP_TO : source.trackTotalHitsUpTo();
        boolean told = ShortPage.mustBeTold(request, lexical);
        List<Ranking.Hit> lookedUp = lexical.hits().stream().limit(end + ShortPage.SPARE).toList();
        QueryBuilder callers = source.query();
        fetched = naming == null && source.postFilter() == null ? source.shallowCopy().query(null) : null;
        source.query(LookedUp.with(knnQuery, lookedUp, naming))
            .from(0)
            .size(knn.k() + lookedUp.size())
            .trackTotalHits(false)
            .timeout(TimeValue.timeValueMillis(Math.max(1, remainingMs)));
        EarlyHits.sorted(source, told ? callers : null);
        request.setBatchedReduceSize(Integer.MAX_VALUE); // nothing is reduced before the page is put
    }

    private boolean isCounted() {
        return countUpTo != SearchContext.TRACK_TOTAL_HITS_DISABLED;
    }

    private boolean isCountedFar() {
        return lexical.total().relation() == TotalHits.Relation.GREATER_THAN_OR_EQUAL_TO;
    }

    /** Whether the page was put: otherwise the response is not the search's answer. */
    boolean isDone() {
        return done;
    }

    /** The total of the response; null when it is not counted. */
    TotalHits total() {
        return total;
    }

    /** Puts the page in place of what the shards found, or nothing when one of them has not answered in full. */
    <Result extends SearchPhaseResult> void put(AtomicArray<Result> shards, SearchSourceBuilder source) {
        List<Scored> page = null;
        try {
            page = page(shards);
        } catch (RuntimeException e) { // another processor of the pipeline has changed the search
            LOG.debug("a page could not be put together", e);
        }
        put(page == null ? List.of() : page, shards);
        source.from(from).size(size); // as the response processors behind know the request
        done = page != null;
    }

    /** Null when a shard has not answered in full. */
    private <Result extends SearchPhaseResult> List<Scored> page(AtomicArray<Result> shards) {
        Map<DocKey, Place> places = new HashMap<>();
        List<Ranking.Hit> neighbours = new ArrayList<>();
        boolean whole = collect(shards, places, neighbours);
        report.took(Report.Stage.RETRIEVE, sinceNanos);
        return whole ? page(places, neighbours) : null;
    }

    private <Result extends SearchPhaseResult> boolean collect(
        AtomicArray<Result> shards,
        Map<DocKey, Place> places,
        List<Ranking.Hit> neighbours
    ) {
        for (int i = 0; i < shards.length(); i++) {
            Result shard = shards.get(i);
            if (shard == null || shard.fetchResult() != null) return false;
            QuerySearchResult found = shard.queryResult();
            if (found.isNull()) continue;
            if (found.searchTimedOut()) return false;
            for (ScoreDoc doc : found.topDocs().topDocs.scoreDocs) {
                Ranking.Hit hit = EarlyHits.hit(doc, shard);
                places.put(hit.doc(), new Place(i, doc.doc, hit.told()));
                if (LookedUp.isNeighbour(hit)) neighbours.add(hit);
            }
        }
        return true;
    }

    /** The documents of the page and behind it in their order, those left out that are gone; begins at rank 1. */
    private List<Scored> page(Map<DocKey, Place> places, List<Ranking.Hit> neighbours) {
        neighbours.sort(Ranking.Hit.BEST_FIRST);
        int window = Math.min(neighbours.size(), knn.shared().window());
        HybridSearch.Outcome outcome = fusion.apply(new Ranking(knn.key(), knn.weight(), List.copyOf(neighbours.subList(0, window))));
        List<Scored> page = new ArrayList<>();
        if (!outcome.changesOrder()) { // nothing to fuse with: the caller's own order and scores
            total = isCounted() ? lexical.total() : null;
            for (Ranking.Hit hit : lexical.hits()) add(places.get(hit.doc()), hit.score(), page);
            return page;
        }
        float[] scores = Rewrite.scores(outcome.ranked().size(), lexical.highestScore());
        report.ranked(outcome.ranked(), scores);
        long both = 0;
        for (int i = 0; i < scores.length; i++) {
            Candidate candidate = outcome.ranked().get(i).candidate();
            Place place = places.get(candidate.doc());
            add(place, scores[i], page);
            if (candidate.foundBy(RetrieverConfig.Lexical.NAME) || place != null && place.lexical()) both++;
        }
        if (isCounted()) total = isCountedFar() ? lexical.total() : ShortPage.total(lexical.total().value() + scores.length - both, countUpTo);
        return page;
    }

    private static void add(Place place, float score, List<Scored> page) {
        if (place != null) page.add(new Scored(place, score));
    }

    private <Result extends SearchPhaseResult> void put(List<Scored> ranked, AtomicArray<Result> shards) {
        List<Scored> page = ranked.subList(Math.min(from, ranked.size()), Math.min(from + size, ranked.size()));
        float highest = ranked.isEmpty() ? Float.NaN : ranked.get(0).score();
        for (int i = 0; i < shards.length(); i++) {
            QuerySearchResult shard = shards.get(i) == null ? null : shards.get(i).queryResult();
            if (shard == null || shard.isNull()) continue;
            int number = i;
            ScoreDoc[] docs = page.stream()
                .filter(scored -> scored.place().shard() == number)
                .map(scored -> new ScoreDoc(scored.place().doc(), scored.score()))
                .toArray(ScoreDoc[]::new);
            TopDocs top = new TopDocs(new TotalHits(docs.length, TotalHits.Relation.EQUAL_TO), docs);
            shard.topDocs(new TopDocsAndMaxScore(top, highest), null);
            shard.from(0).size(size);
            if (fetched != null) BeforeFetch.fetchBy(fetched, shard);
        }
    }
}
