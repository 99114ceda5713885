package org.polyrank.opensearch;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.action.search.SearchResponseSections;
import org.opensearch.core.action.ActionListener;
import org.opensearch.search.SearchHit;
import org.opensearch.search.aggregations.InternalAggregations;
import org.opensearch.search.pipeline.AbstractProcessor;
import org.opensearch.search.pipeline.PipelineProcessingContext;
import org.opensearch.search.pipeline.SearchResponseProcessor;

/** Writes what `hybrid_rerank` noted into the response, as `ext.polyrank`, with the hits' texts in the reader's language. Changes no hit. */
final class PolyrankResponseProcessor extends AbstractProcessor implements SearchResponseProcessor {
    static final String TYPE = "polyrank_response";

    private final Localized localized;
    private final Engine engine;

    PolyrankResponseProcessor(String tag, String description, boolean ignoreFailure, Localized localized, Engine engine) {
        super(tag, description, ignoreFailure);
        this.localized = localized;
        this.engine = engine;
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
    public void processResponseAsync(
        SearchRequest request,
        SearchResponse response,
        PipelineProcessingContext context,
        ActionListener<SearchResponse> listener
    ) {
        if (!(context.getAttribute(Report.ATTRIBUTE) instanceof Report report)) {
            listener.onResponse(response);
            return;
        }
        PolyrankExt ext = PolyrankExt.of(request);
        String reader = ext.locale() != null ? ext.locale() : report.language();
        SearchHit[] page = response.getHits().getHits();
        List<List<LocalText>> texts = report.isSkipped() ? List.of() : localized.of(page, reader);
        translated(texts, ext, reader, report).whenCompleteAsync(
            (done, error) -> ActionListener.completeWith(listener, () -> told(request, response, report, texts)),
            new CallerContext(engine.threadPool())
        );
    }

    private CompletableFuture<Void> translated(List<List<LocalText>> texts, PolyrankExt ext, String reader, Report report) {
        if (reader == null || texts.isEmpty() || !ext.translate(localized.translate())) return CompletableFuture.completedFuture(null);
        Deadline deadline = report.restOfTime(engine.threadPool());
        return new TranslatedPage(engine.services(), deadline, report, reader).translate(texts).whenComplete((done, error) -> deadline.close());
    }

    @SuppressWarnings("unchecked") // the section's hits are maps of ours
    private static SearchResponse told(SearchRequest request, SearchResponse response, Report report, List<List<LocalText>> texts) {
        int from = request.source() == null ? 0 : Math.max(0, request.source().from());
        Map<String, Object> content = report.toMap(response.getHits().getHits(), from);
        List<Object> hits = (List<Object>) content.get("hits");
        for (int i = 0; i < texts.size(); i++) LocalText.addTo((Map<String, Object>) hits.get(i), texts.get(i));
        SearchResponseSections sections = response.getInternalResponse();
        return Responses.with(response, sections.hits(), (InternalAggregations) sections.aggregations(), List.of(new PolyrankExt(content)));
    }
}
