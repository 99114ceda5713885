package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.List;

/**
 * Maps the service's scores onto probabilities: first a temperature on the logit, then a rising line through points (isotonic regression,
 * as `plugin tune` fits it). Neither changes the order of two documents, but how much the blend believes the difference.
 * Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017, arXiv:1706.04599
 *
 * @param temperature above 1: less sure; 1 changes nothing
 * @param from scores, rising; empty: no line
 * @param to what they become, not falling
 */
record Calibration(double temperature, double[] from, double[] to) {
    private static final double EDGE = 1e-6;

    static Calibration read(ConfigReader parent) {
        ConfigReader reader = parent.object("calibration");
        if (reader == null) return new Calibration(1, new double[0], new double[0]);
        double temperature = reader.number("temperature", 1.0, 0.01, 100);
        List<double[]> points = points(reader);
        reader.finish();
        return new Calibration(
            temperature,
            points.stream().mapToDouble(point -> point[0]).toArray(),
            points.stream().mapToDouble(point -> point[1]).toArray()
        );
    }

    private static List<double[]> points(ConfigReader reader) {
        List<double[]> points = new ArrayList<>();
        List<?> given = reader.list("points");
        if (given == null) return points;
        for (Object item : given) {
            if (!(item instanceof List<?> pair && pair.size() == 2 && pair.get(0) instanceof Number x && pair.get(1) instanceof Number y)) {
                throw reader.error("points", "holds [" + item + "]: write pairs such as [0.2, 0.05]");
            }
            double[] last = points.isEmpty() ? new double[] { Double.NEGATIVE_INFINITY, 0 } : points.get(points.size() - 1);
            if (x.doubleValue() <= last[0] || y.doubleValue() < last[1] || y.doubleValue() > 1) {
                throw reader.error("points", "holds [" + item + "]: scores must rise, and what they become must not fall and lie between 0 and 1");
            }
            points.add(new double[] { x.doubleValue(), y.doubleValue() });
        }
        return points;
    }

    double[] of(double[] scores) {
        if (temperature == 1 && from.length == 0) return scores;
        double[] calibrated = new double[scores.length];
        for (int i = 0; i < scores.length; i++) calibrated[i] = Double.isNaN(scores[i]) ? Double.NaN : line(softened(scores[i]));
        return calibrated;
    }

    private double softened(double score) {
        if (temperature == 1) return score;
        double inside = Math.min(1 - EDGE, Math.max(EDGE, score));
        return 1 / (1 + Math.exp(-Math.log(inside / (1 - inside)) / temperature));
    }

    private double line(double score) {
        if (from.length == 0) return score;
        if (score <= from[0]) return to[0];
        for (int i = 1; i < from.length; i++) {
            if (score <= from[i]) return to[i - 1] + (to[i] - to[i - 1]) * (score - from[i - 1]) / (from[i] - from[i - 1]);
        }
        return to[to.length - 1];
    }
}
