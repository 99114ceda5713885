package org.polyrank.opensearch;

import java.util.List;

/**
 * A number of the shop's own in the blend: sales, margin, popularity.
 *
 * @param field its path in the source
 * @param weight its share in the final score, 0 to 1
 * @param log whether log(1 + number) counts, as for sales, of which a few products have most
 */
record BusinessScore(String field, double weight, boolean log) {
    /** Reads the section `business`; null when there is none. */
    static BusinessScore read(ConfigReader parent) {
        ConfigReader reader = parent.object("business");
        if (reader == null) return null;
        String field = reader.string("field", null);
        if (field == null) throw reader.error("field", "is missing: write the path of a number, such as \"popularity\"");
        BusinessScore score = new BusinessScore(
            field,
            reader.number("weight", 0.1, 0, 1),
            reader.oneOf("scale", "linear", List.of("linear", "log")).equals("log")
        );
        reader.finish();
        return score;
    }

    /** The number of each document; NaN where it has none, or none that is finite. */
    double[] of(List<WindowDocument> documents) {
        return documents.stream().mapToDouble(document -> {
            double number = document.number(field);
            double scaled = log ? Math.log1p(Math.max(0, number)) : number;
            return Double.isFinite(scaled) ? scaled : Double.NaN;
        }).toArray();
    }
}
