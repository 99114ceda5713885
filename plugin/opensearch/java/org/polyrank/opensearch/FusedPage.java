package org.polyrank.opensearch;

import org.opensearch.action.search.SearchPhaseContext;
import org.opensearch.action.search.SearchPhaseResults;
import org.opensearch.search.SearchPhaseResult;
import org.opensearch.search.pipeline.PipelineProcessingContext;

/**
 * The phase results processor `polyrank_page`: beside `hybrid_rerank` it lets a fused page take one search less. It has no keys; without it
 * the pages are the same.
 */
final class FusedPage extends BeforeFetch {
    static final String TYPE = "polyrank_page";

    FusedPage(String tag, String description, boolean ignoreFailure) {
        super(tag, description, ignoreFailure);
    }

    @Override
    public <Result extends SearchPhaseResult> void process(SearchPhaseResults<Result> results, SearchPhaseContext context) {
        throw new UnsupportedOperationException("[" + TYPE + "] needs the pipeline's context");
    }

    @Override
    public <Result extends SearchPhaseResult> void process(
        SearchPhaseResults<Result> results,
        SearchPhaseContext context,
        PipelineProcessingContext pipeline
    ) {
        if (pipeline.getAttribute(PageRounds.ATTRIBUTE) instanceof PageRounds rounds) rounds.inPipeline();
        if (pipeline.getAttribute(PageRound.ATTRIBUTE) instanceof PageRound round) {
            round.put(results.getAtomicArray(), context.getRequest().source());
        }
    }

    @Override
    public String getType() {
        return TYPE;
    }
}
