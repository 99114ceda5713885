package org.polyrank.opensearch;

import java.util.List;

/** The little vector arithmetic that the policy needs. */
final class Vectors {
    private Vectors() {}

    /** Scaled to length 1; null for a vector of zeros. */
    static double[] unit(double[] vector) {
        double length = Math.sqrt(dot(vector, vector));
        if (length == 0) return null;
        double[] unit = new double[vector.length];
        for (int i = 0; i < unit.length; i++) unit[i] = vector[i] / length;
        return unit;
    }

    /** 0 when one of them is missing or they are of different models. */
    static double dot(double[] a, double[] b) {
        if (a == null || b == null || a.length != b.length) return 0;
        double sum = 0;
        for (int i = 0; i < a.length; i++) sum += a[i] * b[i];
        return sum;
    }

    /** The direction of the mean of unit vectors; null when there are none. */
    static double[] centre(List<double[]> vectors) {
        double[] sum = null;
        for (double[] vector : vectors) {
            if (vector == null) continue;
            if (sum == null) sum = new double[vector.length];
            if (vector.length == sum.length) for (int i = 0; i < sum.length; i++) sum[i] += vector[i];
        }
        return sum == null ? null : unit(sum);
    }
}
