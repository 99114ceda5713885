package org.polyrank.opensearch;

import java.io.IOException;
import java.util.Map;
import java.util.TreeMap;
import org.apache.lucene.index.LeafReaderContext;
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

/** Matches the documents whose `_id` term is listed, each with its own score. */
final class RankedDocsQuery extends Query {
    private final TreeMap<BytesRef, Float> scores; // sorted: one pass forward over the terms dictionary

    RankedDocsQuery(Map<BytesRef, Float> scores) {
        this.scores = new TreeMap<>(scores);
    }

    @Override
    public Weight createWeight(IndexSearcher searcher, ScoreMode scoreMode, float boost) {
        return new RankedWeight(boost);
    }

    private final class RankedWeight extends Weight {
        private final float boost;

        RankedWeight(float boost) {
            super(RankedDocsQuery.this);
            this.boost = boost;
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
            Terms ids = context.reader().terms(IdFieldMapper.NAME);
            if (ids == null) return found;
            TermsEnum terms = ids.iterator();
            PostingsEnum postings = null;
            for (Map.Entry<BytesRef, Float> entry : scores.entrySet()) {
                if (!terms.seekExact(entry.getKey())) continue;
                postings = terms.postings(postings, PostingsEnum.NONE);
                // more than one when the document was updated and the old one is not merged away yet
                for (int doc = postings.nextDoc(); doc != DocIdSetIterator.NO_MORE_DOCS; doc = postings.nextDoc()) {
                    found.put(doc, entry.getValue() * boost);
                }
            }
            return found;
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
        return RankedDocsQueryBuilder.NAME + "(" + scores.size() + ")";
    }

    @Override
    public boolean equals(Object other) {
        return sameClassAs(other) && scores.equals(((RankedDocsQuery) other).scores);
    }

    @Override
    public int hashCode() {
        return 31 * classHash() + scores.hashCode();
    }
}
