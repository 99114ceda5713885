package org.polyrank.opensearch;

import org.opensearch.action.search.SearchPhaseName;
import org.opensearch.search.SearchPhaseResult;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.pipeline.AbstractProcessor;
import org.opensearch.search.pipeline.SearchPhaseResultsProcessor;

/** A processor that stands between a search's query phase and its fetch phase. */
abstract class BeforeFetch extends AbstractProcessor implements SearchPhaseResultsProcessor {
    BeforeFetch(String tag, String description, boolean ignoreFailure) {
        super(tag, description, ignoreFailure);
    }

    /**
     * Has a shard fetch by this request in place of the search's own: for its fetch phase a shard makes query and sorts once more, and
     * runs what of a kNN query runs as it is rewritten, though only the documents' numbers count there.
     */
    static void fetchBy(SearchSourceBuilder source, SearchPhaseResult shard) {
        if (shard.getShardSearchRequest() != null) shard.getShardSearchRequest().source(source);
    }

    @Override
    public SearchPhaseName getBeforePhase() {
        return SearchPhaseName.QUERY;
    }

    @Override
    public SearchPhaseName getAfterPhase() {
        return SearchPhaseName.FETCH;
    }
}
