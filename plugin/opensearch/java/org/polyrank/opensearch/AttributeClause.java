package org.polyrank.opensearch;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.opensearch.index.query.BoolQueryBuilder;
import org.opensearch.index.query.Operator;
import org.opensearch.index.query.QueryBuilder;
import org.opensearch.index.query.QueryBuilders;
import org.opensearch.index.query.RangeQueryBuilder;
import org.opensearch.index.query.TermQueryBuilder;

/**
 * Builds the query that the service proposes for an attribute. Of OpenSearch's queries only term, match, range, exists and bool of these pass, on
 * fields that the schema has, with values that their types take: whatever the service answers, it can neither run a script nor fail a shard.
 * Each method throws IllegalArgumentException, which says what does not pass.
 */
final class AttributeClause {
    private static final int MAX_DEPTH = 3;
    private static final int MAX_CLAUSES = 64;

    private final Map<String, String> schema;

    AttributeClause(Map<String, String> schema) {
        this.schema = schema;
    }

    QueryBuilder read(Object clause) {
        return read(clause, 1);
    }

    private QueryBuilder read(Object clause, int depth) {
        Map.Entry<String, Object> only = only("a clause", clause);
        return switch (only.getKey()) {
            case "term" -> term(only("term", only.getValue()));
            case "match" -> match(only("match", only.getValue()));
            case "range" -> range(only("range", only.getValue()));
            case "exists" -> exists(object("exists", only.getValue()));
            case "bool" -> bool(object("bool", only.getValue()), depth);
            default -> throw new IllegalArgumentException("the clause is [" + only.getKey() + "], not term, match, range, exists or bool");
        };
    }

    private QueryBuilder term(Map.Entry<String, Object> field) {
        String type = type(field.getKey());
        boolean wrapped = field.getValue() instanceof Map<?, ?>;
        Map<String, Object> options = wrapped ? object("term", field.getValue()) : Map.of("value", field.getValue());
        Object value = scalar(options.get("value"), type);
        TermQueryBuilder term = QueryBuilders.termQuery(field.getKey(), value);
        return Boolean.TRUE.equals(options.get("case_insensitive")) ? term.caseInsensitive(true) : term;
    }

    private QueryBuilder match(Map.Entry<String, Object> field) {
        String type = type(field.getKey());
        Map<String, Object> options = object("match", field.getValue());
        Operator operator = "and".equals(options.get("operator")) ? Operator.AND : Operator.OR;
        return QueryBuilders.matchQuery(field.getKey(), scalar(options.get("query"), type)).operator(operator);
    }

    private QueryBuilder range(Map.Entry<String, Object> field) {
        if (!Schemas.NUMBERS.contains(type(field.getKey()))) throw new IllegalArgumentException("[" + field.getKey() + "] is no number");
        RangeQueryBuilder range = QueryBuilders.rangeQuery(field.getKey());
        object("range", field.getValue()).forEach((bound, value) -> {
            if (!(value instanceof Number)) throw new IllegalArgumentException("range." + bound + " is no number");
            switch (bound) {
                case "gte" -> range.gte(value);
                case "lte" -> range.lte(value);
                case "gt" -> range.gt(value);
                case "lt" -> range.lt(value);
                default -> throw new IllegalArgumentException("range has the bound [" + bound + "]");
            }
        });
        return range;
    }

    private QueryBuilder exists(Map<String, Object> options) {
        if (!(options.get("field") instanceof String field)) throw new IllegalArgumentException("exists names no field");
        type(field);
        return QueryBuilders.existsQuery(field);
    }

    private QueryBuilder bool(Map<String, Object> clauses, int depth) {
        if (depth >= MAX_DEPTH) throw new IllegalArgumentException("clauses stand in clauses more than " + MAX_DEPTH + " deep");
        BoolQueryBuilder bool = QueryBuilders.boolQuery();
        clauses.forEach((key, value) -> {
            switch (key) {
                case "filter", "must" -> list(value).forEach(item -> bool.filter(read(item, depth + 1)));
                case "should" -> list(value).forEach(item -> bool.should(read(item, depth + 1)));
                case "must_not" -> list(value).forEach(item -> bool.mustNot(read(item, depth + 1)));
                case "minimum_should_match" -> bool.minimumShouldMatch(String.valueOf(value));
                default -> throw new IllegalArgumentException("bool has the key [" + key + "]");
            }
        });
        if (!bool.hasClauses()) throw new IllegalArgumentException("bool is empty");
        return bool;
    }

    private String type(String field) {
        String type = Schemas.type(schema, field);
        if (type == null) throw new IllegalArgumentException("the index has no field [" + field + "]");
        return type;
    }

    private static Object scalar(Object value, String type) {
        if (!(value instanceof String || value instanceof Number || value instanceof Boolean)) throw new IllegalArgumentException("a value is no text and no number");
        if (Schemas.NUMBERS.contains(type)) {
            try {
                Double.parseDouble(String.valueOf(value));
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException("[" + value + "] is no number, as its field is");
            }
        }
        return value;
    }

    private static Map.Entry<String, Object> only(String what, Object value) {
        Map<String, Object> map = object(what, value);
        if (map.size() != 1) throw new IllegalArgumentException(what + " must have one key and has " + map.size());
        return map.entrySet().iterator().next();
    }

    @SuppressWarnings("unchecked") // a JSON object's keys are texts
    private static Map<String, Object> object(String what, Object value) {
        if (value instanceof Map<?, ?> map) return (Map<String, Object>) map;
        throw new IllegalArgumentException(what + " is not an object");
    }

    private static List<?> list(Object value) {
        List<?> items = value instanceof List<?> list ? list : new ArrayList<>(List.of(value));
        if (items.size() > MAX_CLAUSES) throw new IllegalArgumentException("more than " + MAX_CLAUSES + " clauses");
        return items;
    }
}
