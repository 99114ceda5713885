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
     * Has a shard fetch by this request in place of the search's own, whose query and sorts it would make once more, though only the numbers
     * of documents count there. It must ask for the same of a hit.
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
