package org.polyrank.opensearch;

import java.util.List;
import java.util.Locale;

/**
 * What becomes of the attributes that a query names, as the pipeline body says: nothing, boosts, or filters where the service takes them
 * for conditions.
 *
 * @param minConfidence under it an attribute is told and not used
 * @param filterConfidence under it a condition is a boost
 * @param weight how much a boost raises a text score: by the factor 1 + weight * confidence
 */
record AttributesConfig(Use use, double minConfidence, double filterConfidence, double weight) {
    enum Use {
        OFF,
        BOOST,
        FILTER;

        static final List<String> NAMES = List.of("off", "boost", "filter");

        static Use named(String name) {
            return valueOf(name.toUpperCase(Locale.ROOT));
        }
    }

    static final AttributesConfig NONE = new AttributesConfig(Use.OFF, 1, 1, 0);

    /** Reads the section `attributes`; off when there is none. */
    static AttributesConfig read(ConfigReader parent) {
        ConfigReader reader = parent.object("attributes");
        if (reader == null) return NONE;
        double minConfidence = reader.number("min_confidence", 0.7, 0, 1);
        AttributesConfig config = new AttributesConfig(
            Use.named(reader.oneOf("use", "boost", Use.NAMES)),
            minConfidence,
            Math.max(minConfidence, reader.number("filter_confidence", 0.9, 0, 1)),
            reader.number("weight", 0.2, 0, 100)
        );
        reader.finish();
        return config;
    }
}
