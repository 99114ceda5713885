package org.polyrank.opensearch;

import java.util.List;
import java.util.Set;
import org.apache.lucene.search.TotalHits;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.action.search.SearchResponseSections;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.search.SearchHits;
import org.opensearch.search.SearchService;
import org.opensearch.search.aggregations.AggregationBuilders;
import org.opensearch.search.aggregations.bucket.filter.Filter;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.internal.SearchContext;

/**
 * The short way to a page that lies within the ranked window: the caller's query, which the lexical search has run already, is not run
 * again. The last search then matches the window alone, and the total is put together from what is known:
 * lexical hits + window - window hits that are lexical ones. Everything else of the response is what the long way gives.
 */
final class ShortPage {
    private static final String LEXICAL_COUNT = "polyrank_lexical";
    /** Documents asked for behind the page, in place of those that are changed or deleted before the last search. */
    static final int SPARE = 10;

    private ShortPage() {}

    /** Whether nothing in the request needs to see more than the window. */
    static boolean suffices(SearchRequest request, HybridSearch.Outcome outcome) {
        return endOfPage(request) <= outcome.ranked().size() && outcome.lexical().whole() && isPlain(request);
    }

    /** The rank of the last hit of the page. */
    static int endOfPage(SearchRequest request) {
        SearchSourceBuilder source = request.source();
        return Math.max(0, source.from()) + (source.size() < 0 ? SearchService.DEFAULT_SIZE : source.size());
    }

    /** Whether the total can be told only when shards tell which of the window the caller's query matches besides its hits that are known. */
    static boolean mustBeTold(SearchRequest request, Found lexical) {
        Integer upTo = request.source().trackTotalHitsUpTo();
        boolean counted = upTo == null || upTo != SearchContext.TRACK_TOTAL_HITS_DISABLED;
        return counted && lexical.total().relation() == TotalHits.Relation.EQUAL_TO && lexical.hits().size() < lexical.total().value();
    }

    private static boolean isLexical(Candidate candidate, Set<DocKey> told) {
        return candidate.foundBy(RetrieverConfig.Lexical.NAME) || told != null && told.contains(candidate.doc());
    }

    /** Whether the page alone is wanted. */
    static boolean isPlain(SearchRequest request) {
        SearchSourceBuilder source = request.source();
        return request.scroll() == null
            && source.aggregations() == null
            && source.highlighter() == null // reads the words to mark from the query
            && source.collapse() == null // a group may need documents behind the window
            && source.suggest() == null
            && source.terminateAfter() == 0
            && !source.profile()
            && !Boolean.TRUE.equals(source.explain());
    }

    /** Likewise when the caller's query cannot run inside another one: the window alone, and the total that its own pipeline gave. */
    static void applyAlone(SearchRequest request, HybridSearch.Outcome outcome, SearchNote note) {
        SearchSourceBuilder source = request.source();
        source.query(null);
        Rewrite.only(source, outcome.ranked(), outcome.lexical().highestScore(), endOfPage(request) + SPARE);
        TotalHits total = outcome.lexical().total();
        if (total != null) note.onResponse(response -> completed(response, total));
    }

    /** Rewrites the request and notes how its response is to be completed. */
    static void apply(SearchRequest request, HybridSearch.Outcome outcome, SearchNote note) {
        SearchSourceBuilder source = request.source();
        QueryBuilder lexical = source.query();
        int upTo = source.trackTotalHitsUpTo() == null ? SearchContext.DEFAULT_TRACK_TOTAL_HITS_UP_TO : source.trackTotalHitsUpTo();
        boolean counted = upTo != SearchContext.TRACK_TOTAL_HITS_DISABLED;
        TotalHits lexicalTotal = outcome.lexical().total();
        boolean enough = counted && lexicalTotal.relation() == TotalHits.Relation.GREATER_THAN_OR_EQUAL_TO;
        boolean tells = outcome.told() == null && mustBeTold(request, outcome.lexical());
        // only where the last search must say which of the window are lexical hits does it need the whole window
        int wanted = tells ? outcome.ranked().size() : endOfPage(request) + SPARE;
        Rewrite.only(source, outcome.ranked(), outcome.lexical().highestScore(), wanted);
        if (!counted) return;
        source.trackTotalHits(false);
        if (enough) {
            note.onResponse(response -> completed(response, lexicalTotal));
        } else if (!tells) {
            long both = outcome.ranked().stream().filter(doc -> isLexical(doc.candidate(), outcome.told())).count();
            TotalHits total = total(lexicalTotal.value() + outcome.ranked().size() - both, upTo);
            note.onResponse(response -> completed(response, total));
        } else {
            source.aggregation(AggregationBuilders.filter(LEXICAL_COUNT, lexical));
            note.onResponse(response -> {
                if (response.getAggregations() == null) return response;
                Filter both = response.getAggregations().get(LEXICAL_COUNT);
                return completed(response, total(lexicalTotal.value() + outcome.ranked().size() - both.getDocCount(), upTo));
            });
        }
    }

    /** What a search that counts to `upTo` says of `exact` hits. */
    static TotalHits total(long exact, int upTo) {
        return exact > upTo
            ? new TotalHits(upTo, TotalHits.Relation.GREATER_THAN_OR_EQUAL_TO)
            : new TotalHits(exact, TotalHits.Relation.EQUAL_TO);
    }

    /** The response with this total. */
    static SearchResponse completed(SearchResponse response, TotalHits total) {
        SearchResponseSections sections = response.getInternalResponse();
        SearchHits found = sections.hits();
        SearchHits hits = new SearchHits(
            found.getHits(),
            total,
            found.getMaxScore(),
            found.getSortFields(),
            found.getCollapseField(),
            found.getCollapseValues()
        );
        return Responses.with(response, hits, null, List.of());
    }
}
