package org.polyrank.opensearch;

import org.apache.lucene.search.DocIdSetIterator;
import org.apache.lucene.search.Scorer;

/** Scores a sorted list of documents from an array. */
final class ListScorer extends Scorer {
    private final int[] docs;
    private final float[] scores;
    private final float highest;
    private int position = -1;

    ListScorer(int[] docs, float[] scores) {
        this.docs = docs;
        this.scores = scores;
        float max = 0;
        for (float score : scores) max = Math.max(max, score);
        highest = max;
    }

    @Override
    public int docID() {
        if (position < 0) return -1;
        return position < docs.length ? docs[position] : DocIdSetIterator.NO_MORE_DOCS;
    }

    @Override
    public float score() {
        return scores[position];
    }

    @Override
    public float getMaxScore(int upTo) {
        return highest;
    }

    @Override
    public DocIdSetIterator iterator() {
        return new DocIdSetIterator() {
            @Override
            public int docID() {
                return ListScorer.this.docID();
            }

            @Override
            public int nextDoc() {
                position++;
                return docID();
            }

            @Override
            public int advance(int target) {
                do {
                    position++;
                } while (position < docs.length && docs[position] < target);
                return docID();
            }

            @Override
            public long cost() {
                return docs.length;
            }
        };
    }
}
