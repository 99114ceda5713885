package org.polyrank.opensearch;

/** Blends what the cross-encoder says with what the fusion says, weight * N(relevance) + (1 - weight) * N(fused), and with a business score. */
final class Blend {
    enum Normalization {
        MIN_MAX,
        NONE,
        RRF
    }

    private Blend() {}

    /**
     * Returns the final score of each document of the rerank window.
     *
     * @param fused fused scores, best first
     * @param relevance the cross-encoder's score of each; NaN where it read nothing, worth 0
     * @param normalization min_max of both; none: the raw relevance and the min_max of the fused; rrf: 1 / (rank_constant + rank) of both
     */
    static double[] scores(double[] fused, double[] relevance, double weight, Normalization normalization, int rankConstant) {
        double[] fusedShares = normalization == Normalization.RRF ? reciprocal(fused, rankConstant) : Normalize.minMax(fused);
        double[] relevanceShares = switch (normalization) {
            case MIN_MAX -> Normalize.minMax(relevance);
            case NONE -> zeroForNaN(relevance);
            case RRF -> reciprocal(relevance, rankConstant);
        };
        double[] blended = new double[fused.length];
        for (int i = 0; i < blended.length; i++) blended[i] = weight * relevanceShares[i] + (1 - weight) * fusedShares[i];
        return blended;
    }

    /** (1 - weight) * blended + weight * N(business); a document without a number of its own has 0 for it. */
    static double[] with(double[] business, double weight, double[] blended, Normalization normalization, int rankConstant) {
        double[] shares = normalization == Normalization.RRF ? reciprocal(business, rankConstant) : Normalize.minMax(business);
        double[] finals = new double[blended.length];
        for (int i = 0; i < finals.length; i++) finals[i] = (1 - weight) * blended[i] + weight * shares[i];
        return finals;
    }

    private static double[] zeroForNaN(double[] values) {
        double[] copy = values.clone();
        for (int i = 0; i < copy.length; i++) if (Double.isNaN(copy[i])) copy[i] = 0;
        return copy;
    }

    private static double[] reciprocal(double[] scores, int rankConstant) {
        int[] ranks = Normalize.ranks(scores);
        double[] shares = new double[scores.length];
        for (int i = 0; i < shares.length; i++) shares[i] = ranks[i] == 0 ? 0 : 1.0 / (rankConstant + ranks[i]);
        return shares;
    }
}
