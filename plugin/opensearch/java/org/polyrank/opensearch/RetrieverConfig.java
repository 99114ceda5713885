package org.polyrank.opensearch;

import java.util.List;

/** One way to find candidates, as the pipeline body says. */
sealed interface RetrieverConfig {
    /** Share in the fusion, 0 or more. */
    double weight();

    /** Its key in `ranks` and `scores` of the response. */
    String key();

    /** The caller's own query as it is. */
    record Lexical(double weight) implements RetrieverConfig {
        static final String NAME = "lexical";

        @Override
        public String key() {
            return NAME;
        }
    }

    /** A multi_match per translation of the query text. */
    record Translated(double weight, List<String> fields, String type, String minimumShouldMatch) implements RetrieverConfig {
        static final String NAME = "translated";
        static final String LANGUAGE = "{lang}";

        @Override
        public String key() {
            return NAME;
        }

        List<String> fieldsIn(String language) {
            return fields.stream().map(field -> field.replace(LANGUAGE, language)).toList();
        }
    }

    /** Nearest neighbours of the query's vector in one vector field. */
    record Knn(double weight, String field, int k) implements RetrieverConfig {
        static final String NAME = "knn";

        @Override
        public String key() {
            return NAME + "." + field;
        }
    }
}
