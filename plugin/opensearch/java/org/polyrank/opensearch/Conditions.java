package org.polyrank.opensearch;

import java.util.stream.Stream;
import org.opensearch.index.query.BoolQueryBuilder;
import org.opensearch.index.query.ConstantScoreQueryBuilder;
import org.opensearch.index.query.ExistsQueryBuilder;
import org.opensearch.index.query.IdsQueryBuilder;
import org.opensearch.index.query.NestedQueryBuilder;
import org.opensearch.index.query.PrefixQueryBuilder;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.RangeQueryBuilder;
import org.opensearch.index.query.RegexpQueryBuilder;
import org.opensearch.index.query.TermQueryBuilder;
import org.opensearch.index.query.TermsQueryBuilder;
import org.opensearch.index.query.WildcardQueryBuilder;
import org.opensearch.index.query.functionscore.FunctionScoreQueryBuilder;
import org.opensearch.index.query.functionscore.ScriptScoreQueryBuilder;

/** Collects from the caller's query what every hit must meet, so that no retriever finds a document that the caller ruled out. */
final class Conditions {
    private Conditions() {}

    /** A bool query of filters and must_nots alone; without clauses when the caller set no condition. */
    static BoolQueryBuilder of(QueryBuilder query, QueryBuilder postFilter) {
        BoolQueryBuilder conditions = new BoolQueryBuilder();
        collect(query, conditions);
        if (postFilter != null) conditions.filter(postFilter);
        return conditions;
    }

    private static void collect(QueryBuilder query, BoolQueryBuilder into) {
        switch (query) {
            case BoolQueryBuilder bool -> {
                bool.filter().forEach(into::filter);
                bool.mustNot().forEach(into::mustNot);
                for (QueryBuilder clause : bool.must()) {
                    if (isCondition(clause)) into.filter(clause);
                    else collect(clause, into);
                }
            }
            case FunctionScoreQueryBuilder function -> collect(function.query(), into);
            case ScriptScoreQueryBuilder script -> collect(script.query(), into);
            case null, default -> {
            }
        }
    }

    /** Whether a `must` clause says which documents are allowed rather than what is searched for. */
    private static boolean isCondition(QueryBuilder query) {
        return switch (query) {
            case TermQueryBuilder q -> true;
            case TermsQueryBuilder q -> true;
            case RangeQueryBuilder q -> true;
            case ExistsQueryBuilder q -> true;
            case IdsQueryBuilder q -> true;
            case PrefixQueryBuilder q -> true;
            case WildcardQueryBuilder q -> true;
            case RegexpQueryBuilder q -> true;
            case ConstantScoreQueryBuilder constant -> QueryText.of(constant) == null;
            case NestedQueryBuilder nested -> isCondition(nested.query());
            case BoolQueryBuilder bool -> bool.hasClauses()
                && Stream.concat(bool.must().stream(), bool.should().stream()).allMatch(Conditions::isCondition);
            default -> query.getName().startsWith("geo_");
        };
    }
}
