package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.apache.lucene.search.FieldDoc;
import org.apache.lucene.search.ScoreDoc;
import org.apache.lucene.search.Sort;
import org.apache.lucene.search.SortField;
import org.apache.lucene.search.TopDocs;
import org.apache.lucene.search.TopFieldDocs;
import org.apache.lucene.search.TotalHits;
import org.opensearch.action.search.SearchPhaseContext;
import org.opensearch.action.search.SearchPhaseResults;
import org.opensearch.common.lucene.search.TopDocsAndMaxScore;
import org.opensearch.common.util.concurrent.AtomicArray;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.core.index.shard.ShardId;
import org.opensearch.index.mapper.SeqNoFieldMapper;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.ingest.ConfigurationUtils;
import org.opensearch.search.SearchPhaseResult;
import org.opensearch.search.builder.SearchSourceBuilder;
import org.opensearch.search.internal.SearchContext;
import org.opensearch.search.query.QuerySearchResult;
import org.opensearch.search.sort.FieldSortBuilder;
import org.opensearch.search.sort.ScoreSortBuilder;
import org.opensearch.search.sort.SortOrder;

/**
 * Takes a sub-search's hits between its query and its fetch phase and leaves only those to fetch that are wanted, most often none: with
 * several shards, asking each of them a second time for what it knew the first time costs more than the query. Score and sequence number
 * travel as sort values; `_doc` between them keeps the order that equal scores have without a sort.
 */
final class EarlyHits extends BeforeFetch {
    static final String TYPE = "polyrank_early_hits";
    private static final String SINK = "polyrank.early_hits";
    private static final int SCORE = 0;
    private static final int SEQ_NO = 2;
    private static final int MATCH = 3;
    private static final SortField[] NO_FIELDS = new Sort().getSort();

    /** Documents to fetch, and the request that they are fetched by; which is not needed for none. */
    record Wanted(Set<DocKey> docs, SearchSourceBuilder fetched) {
        static final Wanted NONE = new Wanted(Set.of(), null);
    }

    private final Function<Found, Wanted> sink;

    private EarlyHits(String tag, String description, boolean ignoreFailure, Function<Found, Wanted> sink) {
        super(tag, description, ignoreFailure);
        this.sink = sink;
    }

    /** The processor for the search that this thread is starting by {@link #during}; nobody else may ask for one. */
    static EarlyHits create(String tag, String description, boolean ignoreFailure, ThreadContext threadContext) {
        Function<Found, Wanted> sink = threadContext.getTransient(SINK);
        if (sink == null) throw ConfigurationUtils.newConfigurationException(TYPE, tag, null, "serves polyrank's own searches alone");
        return new EarlyHits(tag, description, ignoreFailure, sink);
    }

    /** Makes a {@link #sorted} search hand its hits over early. It must have neither a sort nor rescorers of its own. */
    static SearchSourceBuilder prepare(SearchSourceBuilder source) {
        Map<String, Object> processor = new HashMap<>(Map.of(TYPE, new HashMap<>()));
        List<Object> processors = new ArrayList<>(List.of(processor));
        return source.seqNoAndPrimaryTerm(false).searchPipelineSource(new HashMap<>(Map.of("phase_results_processors", processors)));
    }

    /** Has the query phase give what {@link #hit} reads; `told` is the query that hits are told to match, or null. */
    static SearchSourceBuilder sorted(SearchSourceBuilder source, QueryBuilder told) {
        source.sort(new ScoreSortBuilder())
            .sort(new FieldSortBuilder(FieldSortBuilder.DOC_FIELD_NAME))
            .sort(new FieldSortBuilder(SeqNoFieldMapper.NAME).order(SortOrder.ASC));
        return told == null ? source : source.sort(new MatchSortBuilder(told));
    }

    /** Runs `start`, which starts one prepared search; its hits go to `sink`, once, unless the search fails, and it says which to fetch. */
    static void during(ThreadContext threadContext, Function<Found, Wanted> sink, Runnable start) {
        try (ThreadContext.StoredContext ignored = threadContext.newStoredContext(true, List.of(SINK))) {
            threadContext.putTransient(SINK, sink);
            start.run();
        }
    }

    @Override
    public <Result extends SearchPhaseResult> void process(SearchPhaseResults<Result> results, SearchPhaseContext context) {
        AtomicArray<Result> shards = results.getAtomicArray();
        List<Ranking.Hit> hits = new ArrayList<>();
        long total = 0;
        TotalHits.Relation relation = TotalHits.Relation.EQUAL_TO;
        boolean whole = true;
        for (int i = 0; i < shards.length(); i++) {
            QuerySearchResult shard = shards.get(i) == null ? null : shards.get(i).queryResult();
            if (shard == null) whole = false;
            if (shard == null || shard.isNull()) continue;
            TopDocs docs = shard.topDocs().topDocs;
            for (ScoreDoc doc : docs.scoreDocs) hits.add(hit(doc, shards.get(i)));
            total += docs.totalHits.value();
            if (docs.totalHits.relation() != TotalHits.Relation.EQUAL_TO) relation = docs.totalHits.relation();
            whole &= !shard.searchTimedOut();
        }
        hits.sort(Ranking.Hit.BEST_FIRST);
        SearchSourceBuilder source = context.getRequest().source();
        List<Ranking.Hit> top = hits.size() > source.size() ? List.copyOf(hits.subList(0, source.size())) : hits;
        leave(sink.apply(new Found(top, total(total, relation, source.trackTotalHitsUpTo()), whole, shards.length())), shards);
    }

    static Ranking.Hit hit(ScoreDoc doc, SearchPhaseResult shard) {
        ShardId id = shard.getSearchShardTarget().getShardId();
        Object[] values = ((FieldDoc) doc).fields;
        DocKey key = new DocKey(id.getIndexName(), id.id(), ((Number) values[SEQ_NO]).longValue());
        boolean told = values.length > MATCH && ((Number) values[MATCH]).longValue() == 1;
        return new Ranking.Hit(key, ((Number) values[SCORE]).floatValue(), doc.doc, told);
    }

    private static <Result extends SearchPhaseResult> void leave(Wanted wanted, AtomicArray<Result> shards) {
        for (int i = 0; i < shards.length(); i++) {
            Result result = shards.get(i);
            QuerySearchResult shard = result == null ? null : result.queryResult();
            if (shard == null || shard.isNull()) continue;
            TopDocs docs = shard.topDocs().topDocs;
            SortField[] fields = docs instanceof TopFieldDocs sorted ? sorted.fields : NO_FIELDS;
            ScoreDoc[] left = wanted.docs().isEmpty()
                ? new ScoreDoc[0]
                : Arrays.stream(docs.scoreDocs).filter(doc -> wanted.docs().contains(hit(doc, result).doc())).toArray(ScoreDoc[]::new);
            shard.topDocs(new TopDocsAndMaxScore(new TopFieldDocs(docs.totalHits, left, fields), Float.NaN), shard.sortValueFormats());
            if (left.length > 0) fetchBy(wanted.fetched(), result);
        }
    }

    private static TotalHits total(long total, TotalHits.Relation relation, Integer upTo) {
        if (upTo == null || upTo == SearchContext.TRACK_TOTAL_HITS_DISABLED) return null;
        if (upTo == SearchContext.TRACK_TOTAL_HITS_ACCURATE || total < upTo) return new TotalHits(total, relation);
        return new TotalHits(upTo, TotalHits.Relation.GREATER_THAN_OR_EQUAL_TO);
    }

    @Override
    public String getType() {
        return TYPE;
    }
}
