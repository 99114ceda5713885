package org.polyrank.opensearch;

import java.util.List;
import java.util.Map;
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

    private final Localized localized;

    PolyrankResponseProcessor(String tag, String description, boolean ignoreFailure, Localized localized) {
        super(tag, description, ignoreFailure);
        this.localized = localized;
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
        Map<String, Object> content = report.toMap(response.getHits().getHits(), from);
        String locale = PolyrankExt.of(request).locale();
        localized.addTo(content, response.getHits().getHits(), locale != null ? locale : report.language());
        PolyrankExt section = new PolyrankExt(content);
        SearchResponseSections sections = response.getInternalResponse();
        return Responses.with(response, sections.hits(), (InternalAggregations) sections.aggregations(), List.of(section));
    }
}
