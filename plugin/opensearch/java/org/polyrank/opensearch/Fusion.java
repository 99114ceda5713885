package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Fuses rankings into one over a window that is global: it does not depend on the number of shards.
 * The order of the rankings does not change the result; equal scores go to the better best rank, then by index, shard and sequence number.
 */
final class Fusion {
    static final int DEFAULT_RANK_CONSTANT = 60;
    /** What the last of a ranking is worth under min_max: more than a document that was not found at all. */
    static final double MIN_MAX_FLOOR = 0.001;

    enum Technique {
        RRF,
        MIN_MAX,
        Z_SCORE,
        CONVEX
    }

    private static final Comparator<Candidate> BEST_FIRST = (a, b) -> {
        int order = Double.compare(b.fusedScore(), a.fusedScore());
        if (order == 0) order = Integer.compare(a.bestRank(), b.bestRank());
        return order == 0 ? a.doc().compareTo(b.doc()) : order;
    };

    private Fusion() {}

    /** Returns at most `window` candidates, best first. */
    static List<Candidate> fuse(List<Ranking> rankings, Technique technique, int rankConstant, int window) {
        double weights = rankings.stream().mapToDouble(Ranking::weight).sum();
        double scale = technique == Technique.CONVEX && weights > 0 ? 1 / weights : 1;
        Map<DocKey, Builder> found = new LinkedHashMap<>(); // in nearly the final order: sorted faster
        for (Ranking ranking : rankings) {
            double[] shares = shares(ranking, technique, rankConstant);
            for (int i = 0; i < shares.length; i++) {
                Ranking.Hit hit = ranking.hits().get(i);
                Builder builder = found.computeIfAbsent(hit.doc(), doc -> new Builder(rankings.size()));
                builder.add(new Candidate.Place(ranking.retriever(), i + 1, hit.score()), hit.at(), scale * ranking.weight() * shares[i]);
            }
        }
        List<Candidate> candidates = new ArrayList<>(found.size());
        found.forEach((doc, builder) -> candidates.add(new Candidate(doc, builder.at, builder.places, builder.bestRank, builder.score())));
        candidates.sort(BEST_FIRST);
        return candidates.size() > window ? List.copyOf(candidates.subList(0, window)) : candidates;
    }

    private static double[] shares(Ranking ranking, Technique technique, int rankConstant) {
        return switch (technique) {
            case RRF -> reciprocalRanks(ranking, rankConstant);
            case MIN_MAX -> minMax(ranking);
            case Z_SCORE -> zScores(ranking);
            case CONVEX -> ofHighest(ranking);
        };
    }

    /** (score - lowest) / standard deviation, at least {@link #MIN_MAX_FLOOR}: z-scores moved so that what was not found is worth less. */
    static double[] zScores(Ranking ranking) {
        double[] scores = scores(ranking);
        double mean = Arrays.stream(scores).average().orElse(0);
        double deviation = Math.sqrt(Arrays.stream(scores).map(score -> (score - mean) * (score - mean)).average().orElse(0));
        double lowest = Arrays.stream(scores).min().orElse(0);
        for (int i = 0; i < scores.length; i++) scores[i] = Math.max(MIN_MAX_FLOOR, deviation == 0 ? 1 : (scores[i] - lowest) / deviation);
        return scores;
    }

    /**
     * score / highest: min-max with the least score that is possible, 0, in place of the least that was found.
     * Source: Bruch, Gai and Ingber, An Analysis of Fusion Functions for Hybrid Retrieval, 2023, arXiv:2210.11934
     */
    static double[] ofHighest(Ranking ranking) {
        double[] scores = scores(ranking);
        double highest = Arrays.stream(scores).max().orElse(0);
        for (int i = 0; i < scores.length; i++) scores[i] = highest <= 0 ? MIN_MAX_FLOOR : Math.max(MIN_MAX_FLOOR, scores[i] / highest);
        return scores;
    }

    private static double[] scores(Ranking ranking) {
        return ranking.hits().stream().mapToDouble(Ranking.Hit::score).toArray();
    }

    /**
     * 1 / (rank_constant + rank), ranks from 1.
     * Source: Cormack, Clarke and Büttcher, Reciprocal Rank Fusion outperforms Condorcet, 2009, doi:10.1145/1571941.1572114
     */
    static double[] reciprocalRanks(Ranking ranking, int rankConstant) {
        double[] shares = new double[ranking.hits().size()];
        for (int i = 0; i < shares.length; i++) shares[i] = 1.0 / (rankConstant + i + 1);
        return shares;
    }

    /** (score - lowest) / (highest - lowest) over this ranking, at least {@link #MIN_MAX_FLOOR}; 1 for all when they are equal. */
    static double[] minMax(Ranking ranking) {
        double[] shares = Normalize.minMax(scores(ranking));
        for (int i = 0; i < shares.length; i++) shares[i] = Math.max(MIN_MAX_FLOOR, shares[i]);
        return shares;
    }

    private static final class Builder {
        private final double[] shares;
        final List<Candidate.Place> places;
        int bestRank = Integer.MAX_VALUE;
        int at = -1;

        Builder(int rankings) {
            shares = new double[rankings];
            places = new ArrayList<>(rankings);
        }

        void add(Candidate.Place place, int where, double share) {
            shares[places.size()] = share;
            places.add(place);
            bestRank = Math.min(bestRank, place.rank());
            if (at < 0) at = where;
        }

        /** Summed from the smallest share up, so that the order of the rankings cannot change the last bit. */
        double score() {
            Arrays.sort(shares, 0, places.size());
            double sum = 0;
            for (double share : shares) sum += share;
            return sum;
        }
    }
}
