package org.polyrank.opensearch;

import java.io.IOException;
import java.util.Objects;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.NumericDocValues;
import org.apache.lucene.search.DocIdSetIterator;
import org.apache.lucene.search.FieldComparator;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.LeafFieldComparator;
import org.apache.lucene.search.Pruning;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.ScoreMode;
import org.apache.lucene.search.Scorer;
import org.apache.lucene.search.SortField;
import org.apache.lucene.search.Weight;
import org.apache.lucene.search.comparators.LongComparator;
import org.opensearch.common.util.BigArrays;
import org.opensearch.core.common.io.stream.StreamInput;
import org.opensearch.core.common.io.stream.StreamOutput;
import org.opensearch.core.xcontent.XContentBuilder;
import org.opensearch.index.fielddata.IndexFieldData.XFieldComparatorSource;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.QueryRewriteContext;
import org.opensearch.index.query.QueryShardContext;
import org.opensearch.search.DocValueFormat;
import org.opensearch.search.MultiValueMode;
import org.opensearch.search.sort.BucketedSort;
import org.opensearch.search.sort.SortBuilder;
import org.opensearch.search.sort.SortFieldAndFormat;
import org.opensearch.search.sort.SortOrder;

/**
 * A sort value that says whether a query matches the hit: 1 or 0. As a last key behind `_doc` it changes no order, and only the hits that
 * are kept are looked up. Polyrank's own searches use it; it cannot be written in a request.
 */
final class MatchSortBuilder extends SortBuilder<MatchSortBuilder> {
    static final String NAME = "polyrank_match";

    private final QueryBuilder query;

    MatchSortBuilder(QueryBuilder query) {
        this.query = query;
    }

    MatchSortBuilder(StreamInput in) throws IOException {
        query = in.readNamedWriteable(QueryBuilder.class);
    }

    @Override
    public void writeTo(StreamOutput out) throws IOException {
        out.writeNamedWriteable(query);
    }

    @Override
    public XContentBuilder toXContent(XContentBuilder builder, Params params) throws IOException {
        return builder.startObject().startObject(NAME).field("query", query).endObject().endObject();
    }

    @Override
    public MatchSortBuilder rewrite(QueryRewriteContext context) throws IOException {
        QueryBuilder rewritten = query.rewrite(context);
        return rewritten == query ? this : new MatchSortBuilder(rewritten);
    }

    @Override
    protected SortFieldAndFormat build(QueryShardContext context) throws IOException {
        IndexSearcher uncached = new IndexSearcher(context.searcher().getIndexReader());
        uncached.setQueryCache(null); // a query of words, asked for a few documents: not worth a place among the filters
        return new SortFieldAndFormat(new SortField(NAME, new Matches(query.toQuery(context), uncached)), DocValueFormat.RAW);
    }

    @Override
    public BucketedSort buildBucketedSort(QueryShardContext context, int bucketSize, BucketedSort.ExtraData extra) {
        throw new UnsupportedOperationException("[" + NAME + "] sorts hits, not buckets");
    }

    @Override
    public String getWriteableName() {
        return NAME;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof MatchSortBuilder match && query.equals(match.query);
    }

    @Override
    public int hashCode() {
        return Objects.hash(NAME, query);
    }

    private static final class Matches extends XFieldComparatorSource {
        private final Query query;
        private final IndexSearcher searcher;
        private Weight weight;

        /** `query` is made before: while a shard searches, one that scripts or the present time go into cannot be made. */
        Matches(Query query, IndexSearcher searcher) {
            super(null, MultiValueMode.MIN, null);
            this.query = query;
            this.searcher = searcher;
        }

        /** Made when it is first needed: a shard builds the sort for its fetch phase, too, and sorts nothing there. */
        private synchronized Weight weight() throws IOException {
            if (weight == null) weight = searcher.createWeight(searcher.rewrite(query), ScoreMode.COMPLETE_NO_SCORES, 1f);
            return weight;
        }

        @Override
        public SortField.Type reducedType() {
            return SortField.Type.LONG;
        }

        @Override
        public FieldComparator<?> newComparator(String field, int hits, Pruning pruning, boolean reversed) {
            return new LongComparator(hits, field, 0L, reversed, Pruning.NONE) {
                @Override
                public LeafFieldComparator getLeafComparator(LeafReaderContext context) throws IOException {
                    return new LongLeafComparator(context) {
                        @Override
                        protected NumericDocValues getNumericDocValues(LeafReaderContext leaf, String name) throws IOException {
                            Scorer scorer = weight().scorer(leaf);
                            return new MatchValues(scorer == null ? DocIdSetIterator.empty() : scorer.iterator());
                        }
                    };
                }
            };
        }

        @Override
        public BucketedSort newBucketedSort(BigArrays arrays, SortOrder order, DocValueFormat format, int size, BucketedSort.ExtraData extra) {
            throw new UnsupportedOperationException("[" + NAME + "] sorts hits, not buckets");
        }
    }

    /** 1 for the documents of an iterator, asked in rising order. */
    private static final class MatchValues extends NumericDocValues {
        private final DocIdSetIterator matching;
        private int doc = -1;

        MatchValues(DocIdSetIterator matching) {
            this.matching = matching;
        }

        @Override
        public boolean advanceExact(int target) throws IOException {
            doc = target;
            if (matching.docID() < target) matching.advance(target);
            return true;
        }

        @Override
        public long longValue() {
            return matching.docID() == doc ? 1 : 0;
        }

        @Override
        public int docID() {
            return doc;
        }

        @Override
        public int nextDoc() throws IOException {
            return advance(doc + 1);
        }

        @Override
        public int advance(int target) throws IOException {
            doc = matching.docID() < target ? matching.advance(target) : matching.docID();
            return doc;
        }

        @Override
        public long cost() {
            return matching.cost();
        }
    }
}
