package org.polyrank.opensearch;

/** Puts scores of different scales on one. NaN means "no score" and is worth 0 in every result. */
final class Normalize {
    private Normalize() {}

    /** (score - lowest) / (highest - lowest); 1 for each when all are equal. */
    static double[] minMax(double[] scores) {
        double low = Double.POSITIVE_INFINITY;
        double high = Double.NEGATIVE_INFINITY;
        for (double score : scores) {
            if (Double.isNaN(score)) continue;
            low = Math.min(low, score);
            high = Math.max(high, score);
        }
        double[] shares = new double[scores.length];
        for (int i = 0; i < scores.length; i++) {
            if (!Double.isNaN(scores[i])) shares[i] = high == low ? 1.0 : (scores[i] - low) / (high - low);
        }
        return shares;
    }

    /** The rank of each score, from 1, the highest first; equal scores in the order given; 0 for NaN. */
    static int[] ranks(double[] scores) {
        Integer[] order = new Integer[scores.length];
        for (int i = 0; i < order.length; i++) order[i] = i;
        java.util.Arrays.sort(order, (a, b) -> Double.compare(orLowest(scores[b]), orLowest(scores[a]))); // stable
        int[] ranks = new int[scores.length];
        for (int i = 0; i < order.length; i++) ranks[order[i]] = Double.isNaN(scores[order[i]]) ? 0 : i + 1;
        return ranks;
    }

    private static double orLowest(double score) {
        return Double.isNaN(score) ? Double.NEGATIVE_INFINITY : score;
    }
}
