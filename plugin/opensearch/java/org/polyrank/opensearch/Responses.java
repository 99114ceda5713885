package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.List;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.action.search.SearchResponseSections;
import org.opensearch.search.SearchExtBuilder;
import org.opensearch.search.SearchHits;
import org.opensearch.search.aggregations.InternalAggregations;
import org.opensearch.search.internal.InternalSearchResponse;
import org.opensearch.search.profile.SearchProfileShardResults;

/** Copies of search responses with parts changed; OpenSearch's own cannot be changed. */
final class Responses {
    private Responses() {}

    /** The response with these hits and aggregations, and more sections behind its own. */
    static SearchResponse with(SearchResponse response, SearchHits hits, InternalAggregations aggregations, List<SearchExtBuilder> more) {
        SearchResponseSections sections = response.getInternalResponse();
        List<SearchExtBuilder> exts = new ArrayList<>(sections.getSearchExtBuilders());
        exts.addAll(more);
        boolean profiled = sections.profile() != null && !sections.profile().isEmpty();
        InternalSearchResponse changed = new InternalSearchResponse(
            hits,
            aggregations,
            sections.suggest(),
            profiled ? new SearchProfileShardResults(sections.profile()) : null,
            sections.timedOut(),
            sections.terminatedEarly(),
            sections.getNumReducePhases(),
            exts,
            sections.getProcessorResult()
        );
        return new SearchResponse(
            changed,
            response.getScrollId(),
            response.getTotalShards(),
            response.getSuccessfulShards(),
            response.getSkippedShards(),
            response.getTook().millis(),
            response.getPhaseTook(),
            response.getShardFailures(),
            response.getClusters(),
            response.pointInTimeId()
        );
    }
}
