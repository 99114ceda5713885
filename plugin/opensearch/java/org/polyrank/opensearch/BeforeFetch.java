package org.polyrank.opensearch;

import org.opensearch.action.search.SearchPhaseName;
import org.opensearch.search.pipeline.AbstractProcessor;
import org.opensearch.search.pipeline.SearchPhaseResultsProcessor;

/** A processor that stands between a search's query phase and its fetch phase. */
abstract class BeforeFetch extends AbstractProcessor implements SearchPhaseResultsProcessor {
    BeforeFetch(String tag, String description, boolean ignoreFailure) {
        super(tag, description, ignoreFailure);
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
