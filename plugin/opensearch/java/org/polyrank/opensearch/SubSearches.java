package org.polyrank.opensearch;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import org.opensearch.action.search.SearchRequest;
import org.opensearch.action.search.SearchResponse;
import org.opensearch.action.search.SearchType;
import org.opensearch.common.unit.TimeValue;
import org.opensearch.common.xcontent.XContentFactory;
import org.opensearch.common.xcontent.XContentHelper;
import org.opensearch.common.xcontent.XContentType;
import org.opensearch.core.action.ActionListener;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.core.tasks.TaskId;
import org.opensearch.core.xcontent.DeprecationHandler;
import org.opensearch.core.xcontent.ToXContent;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.core.xcontent.XContentParser;
import org.opensearch.index.query.AbstractQueryBuilder;
import org.opensearch.index.query.BoolQueryBuilder;
import org.opensearch.index.query.DisMaxQueryBuilder;
import org.opensearch.index.query.InnerHitContextBuilder;
import org.opensearch.index.query.MultiMatchQueryBuilder;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.QueryBuilders;
import org.opensearch.search.builder.PointInTimeBuilder;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.fetch.StoredFieldsContext;
import org.opensearch.search.fetch.subphase.FetchSourceContext;
import org.opensearch.search.internal.SearchContext;
import org.opensearch.search.pipeline.SearchPipelineService;
import org.opensearch.tasks.Task;

/** Builds and runs the searches behind one search: same indices, same routing, same security context, children of its task. */
final class SubSearches {
    private final Engine engine;
    private final SearchRequest original;
    private final Task parent;
    private final Deadline deadline;
    private final Report report;
    private final AttributePlan attributes;

    SubSearches(Engine engine, SearchRequest original, Task parent, Deadline deadline, Report report, AttributePlan attributes) {
        this.engine = engine;
        this.original = original;
        this.parent = parent;
        this.deadline = deadline;
        this.report = report;
        this.attributes = attributes;
    }

    /** The same searches under these filters and boosts. */
    SubSearches under(AttributePlan plan) {
        return new SubSearches(engine, original, parent, deadline, report, plan);
    }

    /** The caller's own query with everything that changes its order. */
    SearchSourceBuilder lexical(int size) {
        SearchSourceBuilder caller = original.source();
        SearchSourceBuilder source = keysAndScores(attributes.on(caller.query()), size);
        if (hasInnerHits(caller.query())) source.storedFields((StoredFieldsContext) null); // they read their parent's id
        Integer counted = caller.trackTotalHitsUpTo();
        source.trackTotalHitsUpTo(counted == null ? SearchContext.DEFAULT_TRACK_TOTAL_HITS_UP_TO : counted); // see ShortPage
        if (caller.postFilter() != null) source.postFilter(caller.postFilter());
        if (caller.rescores() != null) caller.rescores().forEach(source::addRescorer);
        if (caller.terminateAfter() > 0) source.terminateAfter(caller.terminateAfter());
        caller.indexBoosts().forEach(boost -> source.indexBoost(boost.getIndex(), boost.getBoost()));
        return source;
    }

    /** One multi_match per translation, the best of them counts; within the caller's conditions. Null when there is none. */
    SearchSourceBuilder translated(RetrieverConfig.Translated config, Map<String, String> translations) {
        DisMaxQueryBuilder any = new DisMaxQueryBuilder();
        translations.forEach((language, text) -> {
            if (config.languages().isEmpty() || config.languages().contains(language)) any.add(match(config.match(), text, language));
        });
        return any.innerQueries().isEmpty() ? null : within(config, any);
    }

    /** The query text as it was typed, within the caller's conditions; `language` is the query's, or null. */
    SearchSourceBuilder text(RetrieverConfig.Text config, String text, String language) {
        return within(config, match(config.match(), text, language == null ? "und" : language));
    }

    /** The query text and the expansions, which count by their weights, within the caller's conditions. */
    SearchSourceBuilder expanded(RetrieverConfig.Expanded config, String text, String language, List<Expansion> expansions) {
        BoolQueryBuilder any = new BoolQueryBuilder().should(match(config.match(), text, language == null ? "und" : language));
        for (Expansion one : expansions) any.should(match(config.match(), one.text(), one.language()).boost((float) one.weight()));
        return within(config, any);
    }

    private static MultiMatchQueryBuilder match(RetrieverConfig.Match config, String text, String language) {
        MultiMatchQueryBuilder match = new MultiMatchQueryBuilder(text).type(config.type()).minimumShouldMatch(config.minimumShouldMatch());
        config.fieldsIn(language).forEach(field -> addField(match, field));
        return match;
    }

    private SearchSourceBuilder within(RetrieverConfig config, QueryBuilder query) {
        BoolQueryBuilder conditions = conditions(config);
        QueryBuilder boosted = attributes.boosted(query);
        return keysAndScores(conditions.hasClauses() ? conditions.must(boosted) : boosted, config.shared().window());
    }

    private static void addField(MultiMatchQueryBuilder match, String field) {
        int caret = field.lastIndexOf('^');
        if (caret < 0) match.field(field);
        else match.field(field.substring(0, caret), Float.parseFloat(field.substring(caret + 1)));
    }

    /**
     * Nearest neighbours within the caller's conditions and the filters of its aliases: these bind every search, but what they leave of the
     * neighbours of all would be few. By way of content, so that nothing links to the k-NN plugin: CBOR, in which numbers stay numbers.
     */
    SearchSourceBuilder knn(RetrieverConfig.Knn config, float[] vector, VectorFields.Eligible eligible) {
        BoolQueryBuilder conditions = conditions(config);
        if (eligible.filter() != null) conditions.filter(eligible.filter());
        try {
            XContentBuilder cbor = XContentFactory.cborBuilder().startObject().startObject("knn").startObject(config.field());
            cbor.field("vector", vector).field("k", config.k());
            if (conditions.hasClauses()) {
                cbor.field("filter");
                conditions.toXContent(cbor, ToXContent.EMPTY_PARAMS);
            }
            QueryBuilder knn = parsed(BytesReference.bytes(cbor.endObject().endObject().endObject()));
            return keysAndScores(eligible.all() ? knn : new OnIndicesQueryBuilder(eligible.indices(), knn), config.shared().window());
        } catch (IOException e) {
            throw new IllegalStateException("a query in memory could not be written", e);
        }
    }

    private QueryBuilder parsed(BytesReference cbor) throws IOException {
        DeprecationHandler ignored = DeprecationHandler.IGNORE_DEPRECATIONS;
        try (XContentParser parser = XContentHelper.createParser(engine.xContentRegistry(), ignored, cbor, XContentType.CBOR)) {
            return AbstractQueryBuilder.parseInnerQueryBuilder(parser);
        }
    }

    /** The id and the named source paths of the named documents, and which of the boosts' filters each of them meets. */
    SearchSourceBuilder fields(List<Candidate> docs, List<String> sourcePaths, List<PolicyConfig.Boost> boosts) {
        List<RankedDocsQueryBuilder.Doc> ranked = new ArrayList<>(docs.size());
        for (Candidate doc : docs) ranked.add(RankedDocsQueryBuilder.Doc.of(doc.doc(), doc.at(), null, docs.size() - ranked.size()));
        BoolQueryBuilder named = new BoolQueryBuilder();
        // wrapped: a name on the filter itself would stay on the pipeline's own copy
        boosts.forEach(boost -> named.should(QueryBuilders.constantScoreQuery(boost.filter()).queryName(boost.name())));
        return new SearchSourceBuilder().query(new RankedDocsQueryBuilder(ranked, boosts.isEmpty() ? null : named, true))
            .size(docs.size())
            .trackTotalHits(false)
            .seqNoAndPrimaryTerm(true)
            .fetchSource(new FetchSourceContext(true, sourcePaths.toArray(String[]::new), null));
    }

    /** These documents among those that the caller may find, without a score. */
    SearchSourceBuilder pinned(List<String> ids) {
        BoolQueryBuilder conditions = Conditions.of(original.source().query(), original.source().postFilter());
        return keysAndScores(conditions.filter(QueryBuilders.idsQuery().addIds(ids.toArray(String[]::new))), ids.size());
    }

    /** One field of these documents, wherever they are in the searched indices. */
    SearchSourceBuilder byId(List<String> ids, String field) {
        return new SearchSourceBuilder().query(new UnloggedIdsQueryBuilder(ids))
            .size(ids.size())
            .trackTotalHits(false)
            .fetchSource(new FetchSourceContext(true, new String[] { field }, null));
    }

    private static boolean hasInnerHits(QueryBuilder query) {
        Map<String, InnerHitContextBuilder> found = new HashMap<>();
        InnerHitContextBuilder.extractInnerHits(query, found);
        return !found.isEmpty();
    }

    private BoolQueryBuilder conditions(RetrieverConfig config) {
        BoolQueryBuilder conditions = Conditions.of(original.source().query(), original.source().postFilter());
        attributes.filters().forEach(attribute -> conditions.filter(attribute.clause()));
        return config.shared().filter() == null ? conditions : conditions.filter(config.shared().filter());
    }

    private static SearchSourceBuilder keysAndScores(QueryBuilder query, int size) {
        return new SearchSourceBuilder().query(query)
            .size(size)
            .trackTotalHits(false)
            .fetchSource(false)
            .storedFields(StoredFieldsContext.fromList(List.of(StoredFieldsContext._NONE_)))
            .seqNoAndPrimaryTerm(true);
    }

    /** Runs one sub-search; parts of it that failed or timed out are noted in the report under `stage`. */
    CompletableFuture<SearchResponse> run(String stage, SearchSourceBuilder source) {
        CompletableFuture<SearchResponse> outcome = new CompletableFuture<>();
        start(request(source).pipeline(SearchPipelineService.NOOP_PIPELINE_ID), outcome);
        return deadline.watch(noted(stage, outcome));
    }

    /** Runs one sub-search of {@link #lexical}, {@link #translated} or {@link #knn} and returns what it found, best first. */
    CompletableFuture<Found> find(String stage, SearchSourceBuilder source) {
        return find(stage, source, null);
    }

    /** Likewise through a search pipeline, which may need the hits to be fetched. */
    CompletableFuture<Found> find(String stage, SearchSourceBuilder source, String pipeline) {
        if (pipeline != null) {
            CompletableFuture<SearchResponse> piped = new CompletableFuture<>();
            start(request(source).pipeline(pipeline), piped);
            return deadline.watch(noted(stage, piped).thenApply(Found::of));
        }
        // rescorers allow no sort, and a search that begins with a phase for term statistics is not asked between query and fetch
        if (source.rescores() != null || original.searchType() == SearchType.DFS_QUERY_THEN_FETCH) return run(stage, source).thenApply(Found::of);
        CompletableFuture<Found> early = new CompletableFuture<>();
        CompletableFuture<Found> outcome = new CompletableFuture<>();
        CompletableFuture<SearchResponse> response = early(EarlyHits.sorted(source, null), found -> {
            early.complete(found);
            if (found.whole()) outcome.complete(found); // otherwise the response tells what failed
            return EarlyHits.Wanted.NONE;
        });
        noted(stage, response).whenComplete((value, error) -> {
            if (error == null) outcome.complete(early.isDone() ? early.join() : Found.of(value)); // no shard to ask: no phase
            else outcome.completeExceptionally(error);
        });
        return deadline.watch(outcome);
    }

    /**
     * Runs a search of {@link #knn} that goes on to read these source paths of the documents that `wanted` names when it is given the hits.
     * It is not given them when there is no shard to ask. What failed is not noted. `told`: see {@link EarlyHits#sorted}.
     */
    CompletableFuture<SearchResponse> read(
        SearchSourceBuilder source,
        QueryBuilder told,
        List<String> sourcePaths,
        Function<Found, Set<DocKey>> wanted
    ) {
        SearchSourceBuilder fetched = new SearchSourceBuilder().seqNoAndPrimaryTerm(true)
            .fetchSource(new FetchSourceContext(true, sourcePaths.toArray(String[]::new), null));
        return deadline.watch(early(EarlyHits.sorted(source, told), found -> new EarlyHits.Wanted(wanted.apply(found), fetched)));
    }

    private CompletableFuture<SearchResponse> early(SearchSourceBuilder sorted, Function<Found, EarlyHits.Wanted> sink) {
        CompletableFuture<SearchResponse> response = new CompletableFuture<>();
        SearchRequest request = request(EarlyHits.prepare(sorted));
        request.setBatchedReduceSize(Integer.MAX_VALUE); // nothing is reduced before all shards have answered
        EarlyHits.during(engine.threadPool().getThreadContext(), sink, () -> start(request, response));
        return response;
    }

    private void start(SearchRequest request, CompletableFuture<SearchResponse> outcome) {
        if (isTimeUp()) outcome.completeExceptionally(deadline.reached()); // the shards are needed for the last search
        else engine.client().search(request, ActionListener.wrap(outcome::complete, outcome::completeExceptionally));
    }

    boolean isTimeUp() {
        return deadline.isReached();
    }

    private CompletableFuture<SearchResponse> noted(String stage, CompletableFuture<SearchResponse> response) {
        return response.thenApply(found -> {
            notePartial(stage, found);
            return found;
        });
    }

    private SearchRequest request(SearchSourceBuilder source) {
        SearchRequest request = new SearchRequest().source(source).searchType(original.searchType());
        PointInTimeBuilder pit = original.source().pointInTimeBuilder();
        if (pit != null) source.pointInTimeBuilder(new PointInTimeBuilder(pit.getId()));
        else request.indices(original.indices()).indicesOptions(original.indicesOptions()).routing(original.routing()).preference(original.preference());
        TimeValue left = TimeValue.timeValueMillis(Math.max(1, deadline.remainingMs()));
        TimeValue callers = original.source().timeout();
        source.timeout(callers != null && callers.millis() > 0 && callers.compareTo(left) < 0 ? callers : left);
        request.setCancelAfterTimeInterval(left);
        request.allowPartialSearchResults(true);
        request.setMaxConcurrentShardRequests(original.getMaxConcurrentShardRequests());
        request.setBatchedReduceSize(original.getBatchedReduceSize());
        if (parent != null) request.setParentTask(new TaskId(engine.clusterService().localNode().getId(), parent.getId()));
        return request;
    }

    /** Notes in the report what failed on some shards. */
    void notePartial(String stage, SearchResponse response) {
        if (response.getFailedShards() > 0) {
            String first = response.getShardFailures().length == 0 ? "" : " (" + Report.inWords(response.getShardFailures()[0].getCause()) + ")";
            report.degraded(stage, response.getFailedShards() + " of " + response.getTotalShards() + " shards failed" + first);
        }
        if (response.isTimedOut()) report.degraded(stage, "timed out on some shards");
    }
}
