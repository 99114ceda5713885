package org.polyrank.opensearch;

import java.util.List;
import org.opensearch.index.query.QueryBuilder;

/** One way to find candidates, as the pipeline body says. */
sealed interface RetrieverConfig {
    String LANGUAGE = "{lang}";

    /**
     * What every retriever has.
     *
     * @param key its key in `ranks` and `scores` of the response
     * @param weight share in the fusion, 0 or more
     * @param window how many candidates it gives
     * @param filter what they must meet besides the caller's conditions, or null
     */
    record Shared(String key, double weight, int window, QueryBuilder filter) {}

    Shared shared();

    default String key() {
        return shared().key();
    }

    default double weight() {
        return shared().weight();
    }

    /** The caller's own query as it is. */
    record Lexical(Shared shared) implements RetrieverConfig {
        static final String NAME = "lexical";
    }

    /** How a text is looked for: the fields of a multi_match, in which {@link #LANGUAGE} stands for a language. */
    record Match(List<String> fields, String type, String minimumShouldMatch) {
        List<String> fieldsIn(String language) {
            return fields.stream().map(field -> field.replace(LANGUAGE, language)).toList();
        }
    }

    /**
     * A multi_match per translation of the query text.
     *
     * @param languages those whose translations count; empty: all
     */
    record Translated(Shared shared, Match match, List<String> languages) implements RetrieverConfig {
        static final String NAME = "translated";
    }

    /**
     * The query text as it was typed, and other words for it.
     *
     * @param kinds of expansion, as the service names them
     */
    record Expanded(Shared shared, Match match, List<String> kinds) implements RetrieverConfig {
        static final String NAME = "expanded";
        static final List<String> KINDS = List.of("synonyms", "catalogue");
    }

    /** A multi_match of the query text as it was typed. */
    record Text(Shared shared, Match match) implements RetrieverConfig {
        static final String NAME = "match";
    }

    /** Nearest neighbours of the query's vector in one vector field. */
    record Knn(Shared shared, String field, int k) implements RetrieverConfig {
        static final String NAME = "knn";
    }
}
