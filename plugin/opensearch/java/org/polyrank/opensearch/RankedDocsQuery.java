package org.polyrank.opensearch;

import java.io.IOException;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.TreeMap;
import org.apache.lucene.document.LongPoint;
import org.apache.lucene.index.LeafReaderContext;
import org.apache.lucene.index.NumericDocValues;
import org.apache.lucene.index.PostingsEnum;
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
import org.apache.lucene.util.BytesRef;
import org.opensearch.index.mapper.IdFieldMapper;
import org.opensearch.index.mapper.SeqNoFieldMapper;

/** Matches the documents whose `_id` or sequence number is listed, each with its own score. */
final class RankedDocsQuery extends Query {
    private final TreeMap<BytesRef, Float> byId; // sorted: one pass forward over the terms dictionary
    private final Map<Long, RankedDocsQueryBuilder.Doc> bySeqNo;

    RankedDocsQuery(Map<BytesRef, Float> byId, Map<Long, RankedDocsQueryBuilder.Doc> bySeqNo) {
        this.byId = new TreeMap<>(byId);
        this.bySeqNo = Map.copyOf(bySeqNo);
    }

    @Override
    public Weight createWeight(IndexSearcher searcher, ScoreMode scoreMode, float boost) throws IOException {
        NavigableMap<Integer, Float> inPlace = inPlace(searcher);
        if (inPlace != null) return new RankedWeight(boost, null, inPlace);
        long[] seqNos = bySeqNo.keySet().stream().mapToLong(Long::longValue).toArray();
        Weight seqNoWeight = LongPoint.newSetQuery(SeqNoFieldMapper.NAME, seqNos).createWeight(searcher, ScoreMode.COMPLETE_NO_SCORES, 1f);
        return new RankedWeight(boost, seqNoWeight, null);
    }

    /** The documents by sequence number, by their place, when all are where they were found; else null. */
    private NavigableMap<Integer, Float> inPlace(IndexSearcher searcher) throws IOException {
        TreeMap<Integer, RankedDocsQueryBuilder.Doc> byPlace = new TreeMap<>();
        for (RankedDocsQueryBuilder.Doc doc : bySeqNo.values()) if (doc.at() >= 0) byPlace.put(doc.at(), doc);
        if (byPlace.size() < bySeqNo.size()) return null;
        TreeMap<Integer, Float> found = new TreeMap<>();
        for (LeafReaderContext leaf : searcher.getIndexReader().leaves()) {
            Map<Integer, RankedDocsQueryBuilder.Doc> docs = byPlace.subMap(leaf.docBase, leaf.docBase + leaf.reader().maxDoc());
            NumericDocValues values = docs.isEmpty() ? null : leaf.reader().getNumericDocValues(SeqNoFieldMapper.NAME);
            if (values == null) continue;
            for (RankedDocsQueryBuilder.Doc doc : docs.values()) {
                if (values.advanceExact(doc.at() - leaf.docBase) && values.longValue() == doc.seqNo()) found.put(doc.at(), doc.score());
            }
        }
        return found.size() == bySeqNo.size() ? found : null;
    }

    private final class RankedWeight extends Weight {
        private final float boost;
        private final Weight seqNoWeight;
        private final NavigableMap<Integer, Float> inPlace;

        /** Of the last two one is null: how documents are looked up by sequence number, and where they are. */
        RankedWeight(float boost, Weight seqNoWeight, NavigableMap<Integer, Float> inPlace) {
            super(RankedDocsQuery.this);
            this.boost = boost;
            this.seqNoWeight = seqNoWeight;
            this.inPlace = inPlace;
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
            if (!byId.isEmpty()) findIds(context, found);
            if (inPlace == null) findSeqNos(context, found);
            else {
                int base = context.docBase;
                inPlace.subMap(base, base + context.reader().maxDoc()).forEach((doc, score) -> found.put(doc - base, score * boost));
            }
            return found;
        }

        private void findSeqNos(LeafReaderContext context, Map<Integer, Float> found) throws IOException {
            Scorer scorer = seqNoWeight.scorer(context);
            NumericDocValues values = context.reader().getNumericDocValues(SeqNoFieldMapper.NAME);
            if (scorer == null || values == null) return;
            DocIdSetIterator docs = scorer.iterator();
            for (int doc = docs.nextDoc(); doc != DocIdSetIterator.NO_MORE_DOCS; doc = docs.nextDoc()) {
                if (values.advanceExact(doc)) found.put(doc, bySeqNo.get(values.longValue()).score() * boost);
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
        return RankedDocsQueryBuilder.NAME + "(" + (byId.size() + bySeqNo.size()) + ")";
    }

    @Override
    public boolean equals(Object other) {
        return sameClassAs(other) && byId.equals(((RankedDocsQuery) other).byId) && bySeqNo.equals(((RankedDocsQuery) other).bySeqNo);
    }

    @Override
    public int hashCode() {
        return Objects.hash(classHash(), byId, bySeqNo);
    }
}
