package org.polyrank.opensearch;

import java.util.List;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.action.search.SearchResponseSections;
import org.opensearch.search.aggregations.InternalAggregations;
import org.opensearch.search.pipeline.AbstractProcessor;
import org.opensearch.search.pipeline.PipelineProcessingContext;
import org.opensearch.search.pipeline.SearchResponseProcessor;

/** Writes what `hybrid_rerank` noted into the response, as `ext.polyrank`. Changes no hit. */
final class PolyrankResponseProcessor extends AbstractProcessor implements SearchResponseProcessor {
    static final String TYPE = "polyrank_response";

    PolyrankResponseProcessor(String tag, String description, boolean ignoreFailure) {
        super(tag, description, ignoreFailure);
    }

    @Override
    public String getType() {
        return TYPE;
    }

    @Override
    public SearchResponse processResponse(SearchRequest request, SearchResponse response) {
        return response;
    }

    @Override
    public SearchResponse processResponse(SearchRequest request, SearchResponse response, PipelineProcessingContext context) {
        if (!(context.getAttribute(Report.ATTRIBUTE) instanceof Report report)) return response;
        int from = request.source() == null ? 0 : Math.max(0, request.source().from());
        PolyrankExt section = new PolyrankExt(report.toMap(response.getHits().getHits(), from));
        SearchResponseSections sections = response.getInternalResponse();
        return Responses.with(response, sections.hits(), (InternalAggregations) sections.aggregations(), List.of(section));
    }
}
