package org.polyrank.opensearch;

import java.util.List;
import java.util.stream.Stream;
import org.opensearch.index.query.BoolQueryBuilder;
import org.opensearch.index.query.BoostingQueryBuilder;
import org.opensearch.index.query.ConstantScoreQueryBuilder;
import org.opensearch.index.query.DisMaxQueryBuilder;
import org.opensearch.index.query.MatchBoolPrefixQueryBuilder;
import org.opensearch.index.query.MatchPhrasePrefixQueryBuilder;
import org.opensearch.index.query.MatchPhraseQueryBuilder;
import org.opensearch.index.query.MatchQueryBuilder;
import org.opensearch.index.query.MultiMatchQueryBuilder;
import org.opensearch.index.query.NestedQueryBuilder;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.QueryStringQueryBuilder;
import org.opensearch.index.query.SimpleQueryStringBuilder;
import org.opensearch.index.query.functionscore.FunctionScoreQueryBuilder;
import org.opensearch.index.query.functionscore.ScriptScoreQueryBuilder;

/** Finds what the shopper typed in an ordinary query. */
final class QueryText {
    private QueryText() {}

    /** The text of the first full-text clause (must before should, outer before inner), or null. Filters hold no query text. */
    static String of(QueryBuilder query) {
        return switch (query) {
            case null -> null;
            case MatchQueryBuilder match -> text(match.value());
            case MultiMatchQueryBuilder match -> text(match.value());
            case MatchPhraseQueryBuilder match -> text(match.value());
            case MatchPhrasePrefixQueryBuilder match -> text(match.value());
            case MatchBoolPrefixQueryBuilder match -> text(match.value());
            case QueryStringQueryBuilder string -> text(string.queryString());
            case SimpleQueryStringBuilder string -> text(string.value());
            case BoolQueryBuilder bool -> first(Stream.concat(bool.must().stream(), bool.should().stream()).toList());
            case DisMaxQueryBuilder disMax -> first(disMax.innerQueries());
            case FunctionScoreQueryBuilder function -> of(function.query());
            case ScriptScoreQueryBuilder script -> of(script.query());
            case ConstantScoreQueryBuilder constant -> of(constant.innerQuery());
            case BoostingQueryBuilder boosting -> of(boosting.positiveQuery());
            case NestedQueryBuilder nested -> of(nested.query());
            default -> null;
        };
    }

    private static String text(Object value) {
        return value instanceof String string && !string.isBlank() ? string : null;
    }

    private static String first(List<QueryBuilder> clauses) {
        for (QueryBuilder clause : clauses) {
            String text = of(clause);
            if (text != null) return text;
        }
        return null;
    }
}
