package org.polyrank.opensearch;

import java.io.IOException;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.TreeMap;
import org.apache.lucene.document.LongPoint;
import org.apache.lucene.index.IndexReader;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.NumericDocValues;
import org.apache.lucene.index.PostingsEnum;
import org.apache.lucene.index.ReaderUtil;
import org.apache.lucene.index.Terms;
import org.apache.lucene.index.TermsEnum;
import org.apache.lucene.search.DocIdSetIterator;
import org.apache.lucene.search.Explanation;
import org.apache.lucene.search.IndexSearcher;
import org.apache.lucene.search.Query;
import org.apache.lucene.search.QueryVisitor;
import org.apache.lucene.search.ScoreMode;
import org.apache.lucene.search.Scorer;
import org.apache.lucene.search.ScorerSupplier;
import org.apache.lucene.search.Weight;
import org.apache.lucene.util.Bits;
import org.apache.lucene.util.BytesRef;
import org.opensearch.index.mapper.IdFieldMapper;
import org.opensearch.index.mapper.SeqNoFieldMapper;
import org.opensearch.index.mapper.Uid;

/**
 * Matches the listed documents, each with its own score: where it was found when it is still there, else by its `_id`, or by its sequence
 * number when that is all that is known.
 */
final class RankedDocsQuery extends Query {
    private final List<RankedDocsQueryBuilder.Doc> docs;

    /** `docs`: those of one shard, and those that may be there. */
    RankedDocsQuery(List<RankedDocsQueryBuilder.Doc> docs) {
        this.docs = docs.stream().sorted(Comparator.comparingInt(RankedDocsQueryBuilder.Doc::at)).toList();
    }

    @Override
    public Weight createWeight(IndexSearcher searcher, ScoreMode scoreMode, float boost) throws IOException {
        TreeMap<Integer, Float> inPlace = new TreeMap<>();
        TreeMap<BytesRef, Float> byId = new TreeMap<>(); // sorted: one pass forward over the terms dictionary
        Map<Long, Float> bySeqNo = new HashMap<>();
        Places places = new Places(searcher.getIndexReader());
        for (RankedDocsQueryBuilder.Doc doc : docs) {
            if (places.have(doc)) inPlace.put(doc.at(), doc.score());
            else if (doc.id() != null) byId.put(Uid.encodeId(doc.id()), doc.score());
            else bySeqNo.put(doc.seqNo(), doc.score());
        }
        long[] seqNos = bySeqNo.keySet().stream().mapToLong(Long::longValue).toArray();
        Weight seqNoWeight = seqNos.length == 0
            ? null
            : LongPoint.newSetQuery(SeqNoFieldMapper.NAME, seqNos).createWeight(searcher, ScoreMode.COMPLETE_NO_SCORES, 1f);
        return new RankedWeight(boost, inPlace, byId, bySeqNo, seqNoWeight);
    }

    /** What is where in a shard's reader; asked for documents by rising places. */
    private static final class Places {
        private final IndexReader reader;
        private LeafReaderContext leaf;
        private NumericDocValues seqNos;
        private Bits live;

        Places(IndexReader reader) {
            this.reader = reader;
        }

        /** Whether this version of the document is where it was, undeleted. */
        boolean have(RankedDocsQueryBuilder.Doc doc) throws IOException {
            if (doc.at() < 0 || doc.at() >= reader.maxDoc()) return false;
            if (leaf == null || doc.at() >= leaf.docBase + leaf.reader().maxDoc()) {
                leaf = reader.leaves().get(ReaderUtil.subIndex(doc.at(), reader.leaves()));
                seqNos = leaf.reader().getNumericDocValues(SeqNoFieldMapper.NAME);
                live = leaf.reader().getLiveDocs();
            }
            int number = doc.at() - leaf.docBase;
            return seqNos != null && seqNos.advanceExact(number) && seqNos.longValue() == doc.seqNo() && (live == null || live.get(number));
        }
    }

    private final class RankedWeight extends Weight {
        private final float boost;
        private final NavigableMap<Integer, Float> inPlace;
        private final NavigableMap<BytesRef, Float> byId;
        private final Map<Long, Float> bySeqNo;
        private final Weight seqNoWeight;

        /** `seqNoWeight` looks documents up by sequence number; null when none is. */
        RankedWeight(
            float boost,
            NavigableMap<Integer, Float> inPlace,
            NavigableMap<BytesRef, Float> byId,
            Map<Long, Float> bySeqNo,
            Weight seqNoWeight
        ) {
            super(RankedDocsQuery.this);
            this.boost = boost;
            this.inPlace = inPlace;
            this.byId = byId;
            this.bySeqNo = bySeqNo;
            this.seqNoWeight = seqNoWeight;
        }

        @Override
        public boolean isCacheable(LeafReaderContext context) {
            return false; // lists differ from query to query: caching would only push out what is used again
        }

        @Override
        public ScorerSupplier scorerSupplier(LeafReaderContext context) throws IOException {
            TreeMap<Integer, Float> found = find(context);
            if (found.isEmpty()) return null;
            int[] docs = new int[found.size()];
            float[] docScores = new float[docs.length];
            int i = 0;
            for (Map.Entry<Integer, Float> entry : found.entrySet()) {
                docs[i] = entry.getKey();
                docScores[i++] = entry.getValue();
            }
            return new ScorerSupplier() {
                @Override
                public long cost() {
                    return docs.length;
                }

                @Override
                public Scorer get(long leadCost) {
                    return new ListScorer(docs, docScores);
                }
            };
        }

        private TreeMap<Integer, Float> find(LeafReaderContext context) throws IOException {
            TreeMap<Integer, Float> found = new TreeMap<>();
            int base = context.docBase;
            inPlace.subMap(base, base + context.reader().maxDoc()).forEach((doc, score) -> found.put(doc - base, score * boost));
            if (!byId.isEmpty()) findIds(context, found);
            if (!bySeqNo.isEmpty()) findSeqNos(context, found);
            return found;
        }

        private void findSeqNos(LeafReaderContext context, Map<Integer, Float> found) throws IOException {
            Scorer scorer = seqNoWeight.scorer(context);
            NumericDocValues values = context.reader().getNumericDocValues(SeqNoFieldMapper.NAME);
            if (scorer == null || values == null) return;
            DocIdSetIterator docs = scorer.iterator();
            for (int doc = docs.nextDoc(); doc != DocIdSetIterator.NO_MORE_DOCS; doc = docs.nextDoc()) {
                if (values.advanceExact(doc)) found.put(doc, bySeqNo.get(values.longValue()) * boost);
            }
        }

        private void findIds(LeafReaderContext context, Map<Integer, Float> found) throws IOException {
            Terms ids = context.reader().terms(IdFieldMapper.NAME);
            if (ids == null) return;
            TermsEnum terms = ids.iterator();
            PostingsEnum postings = null;
            for (Map.Entry<BytesRef, Float> entry : byId.entrySet()) {
                if (!terms.seekExact(entry.getKey())) continue;
                postings = terms.postings(postings, PostingsEnum.NONE);
                // more than one when the document was updated and the old one is not merged away yet
                for (int doc = postings.nextDoc(); doc != DocIdSetIterator.NO_MORE_DOCS; doc = postings.nextDoc()) {
                    found.put(doc, entry.getValue() * boost);
                }
            }
        }

        @Override
        public Explanation explain(LeafReaderContext context, int doc) throws IOException {
            Float score = find(context).get(doc);
            return score == null ? Explanation.noMatch("not among the ranked documents") : Explanation.match(score, "ranked document");
        }
    }

    @Override
    public void visit(QueryVisitor visitor) {
        visitor.visitLeaf(this);
    }

    @Override
    public String toString(String field) {
        return RankedDocsQueryBuilder.NAME + "(" + docs.size() + ")";
    }

    @Override
    public boolean equals(Object other) {
        return sameClassAs(other) && docs.equals(((RankedDocsQuery) other).docs);
    }

    @Override
    public int hashCode() {
        return Objects.hash(classHash(), docs);
    }
}
