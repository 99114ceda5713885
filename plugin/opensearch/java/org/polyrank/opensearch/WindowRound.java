package org.polyrank.opensearch;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.action.search.SearchType;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.search.SearchHit;
import org.opensearch.search.builder.SearchSourceBuilder;

/**
 * The kNN search of a query that is reranked, with one search less: its query phase also looks up the lexical hits that may be read
 * ({@link LookedUp}), the fusion stands between its query and its fetch phase, and that reads what the cross-encoder is to read. What a
 * shard did not give is left for a search of its own.
 */
final class WindowRound {
    private final RetrieverConfig.Knn knn;
    private final List<String> sourcePaths;
    private final Function<Ranking, HybridSearch.Outcome> fusion;
    private final Report report;
    private final AtomicReference<Fused> fused = new AtomicReference<>();

    /** `whole`: whether every shard has given its neighbours. */
    private record Fused(HybridSearch.Outcome outcome, boolean whole) {}

    /**
     * @param sourcePaths what is read of a document
     * @param fusion makes the window of what the kNN search found
     */
    WindowRound(RetrieverConfig.Knn knn, List<String> sourcePaths, Function<Ranking, HybridSearch.Outcome> fusion, Report report) {
        this.knn = knn;
        this.sourcePaths = sourcePaths;
        this.fusion = fusion;
        this.report = report;
    }

    /** Whether so many of the fused documents can be read by a round over what these lexical hits and the kNN search give. */
    static boolean suffices(SearchRequest request, RetrieverConfig.Knn knn, Found lexical, int reads) {
        return request.searchType() == SearchType.QUERY_THEN_FETCH
            && lexical.whole()
            && lexical.shards() > 1 // one alone reads before it can be told what
            && LookedUp.fits(neighbours(knn), reads);
    }

    /** How many neighbours are asked for: each shard has `k`, and all together may fill the window. */
    private static int neighbours(RetrieverConfig.Knn knn) {
        return Math.max(knn.k(), knn.shared().window());
    }

    /**
     * Runs it; `source` is the kNN search, `told` see {@link EarlyHits#sorted}, `lexical` are the lexical hits that are fused, `reads` how
     * many of the fused documents are read.
     * Fails when a shard gave no neighbours, unless all time is used up; else there is a window, with as many documents as came.
     */
    CompletableFuture<HybridSearch.Outcome> run(
        SubSearches searches,
        SearchSourceBuilder source,
        QueryBuilder told,
        List<Ranking.Hit> lexical,
        int reads
    ) {
        AtomicLong since = new AtomicLong(System.nanoTime());
        List<Ranking.Hit> lookedUp = lexical.subList(0, Math.min(reads, lexical.size()));
        SearchSourceBuilder round = source.shallowCopy() // the caller may need it as it is
            .query(LookedUp.with(source.query(), lookedUp, null))
            .size(neighbours(knn) + lookedUp.size());
        return searches.read(round, told, sourcePaths, found -> {
            report.took(Report.Stage.RETRIEVE, since.get());
            Set<DocKey> wanted = fuse(found, told != null, reads);
            since.set(System.nanoTime());
            return wanted;
        }).handle((response, error) -> {
            Fused found = fused.get();
            report.took(found == null ? Report.Stage.RETRIEVE : Report.Stage.FETCH, since.get());
            if (found == null || !found.whole() && (error != null || !searches.isTimeUp())) {
                throw new IllegalStateException("a shard gave no neighbours", error);
            }
            if (!found.whole()) searches.notePartial(knn.key(), response);
            return error == null ? found.outcome().with(documents(response)) : found.outcome();
        });
    }

    /** Returns the documents to read. */
    private Set<DocKey> fuse(Found found, boolean told, int reads) {
        List<Ranking.Hit> neighbours = found.hits().stream().filter(LookedUp::isNeighbour).limit(knn.shared().window()).toList();
        HybridSearch.Outcome outcome = fusion.apply(new Ranking(knn.key(), knn.weight(), neighbours));
        Set<DocKey> wanted = new HashSet<>();
        outcome.ranked().stream().limit(reads).forEach(doc -> wanted.add(doc.candidate().doc()));
        Set<DocKey> matching = neighbours.stream().filter(Ranking.Hit::told).map(Ranking.Hit::doc).collect(Collectors.toSet());
        fused.set(new Fused(told && found.whole() ? outcome.with(matching) : outcome, found.whole()));
        return wanted;
    }

    private static Map<DocKey, WindowDocument> documents(SearchResponse response) {
        Map<DocKey, WindowDocument> documents = new HashMap<>();
        for (SearchHit hit : response.getHits().getHits()) documents.put(DocKey.of(hit), WindowDocument.of(hit));
        return documents;
    }
}
